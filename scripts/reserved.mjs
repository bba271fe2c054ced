// A command whose name is taken and whose program is still to come.
console.error(`error: \`npm run ${process.argv[2]}\` is not there yet`);
process.exitCode = 1;
