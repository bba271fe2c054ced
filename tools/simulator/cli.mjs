#!/usr/bin/env node
// node tools/simulator/cli.mjs [--port N]
import { parseArgs } from 'node:util';
import { startSimulator } from './server.mjs';

const { values } = parseArgs({ options: { port: { type: 'string', default: '8788' } } });
const simulator = await startSimulator({ port: Number(values.port) });
console.log(`simulated providers on ${simulator.url} (openai: ${simulator.baseUrl('openai')}, anthropic: ${simulator.baseUrl('anthropic')}, gemini: ${simulator.baseUrl('gemini')})`);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => simulator.close().then(() => process.exit(0)));
