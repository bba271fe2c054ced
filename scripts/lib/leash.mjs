// Preloaded into long-running children: the pipe on the given fd closes when the parent is gone, however it died.
import { Socket } from 'node:net';

const fd = Number(process.env.SIGNALBOX_LEASH);
delete process.env.SIGNALBOX_LEASH; // grandchildren have no such pipe
if (fd > 2) {
  const pipe = new Socket({ fd, readable: true, writable: false });
  pipe.on('end', () => process.kill(process.pid, 'SIGTERM'));
  pipe.on('error', () => {});
  pipe.resume();
  pipe.unref();
}
