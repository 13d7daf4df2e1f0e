/**
 * Loaded into every process that the demo starts (`node --import`): when the demo is gone, however it went, the pipe to standard input
 * ends, and the process stops in order instead of holding its ports for ever.
 */
process.stdin.on('end', () => process.kill(process.pid, 'SIGTERM'));
process.stdin.on('error', () => process.kill(process.pid, 'SIGTERM'));
process.stdin.resume();
// Waiting for the end of the demo must not keep a finished command alive.
if ('unref' in process.stdin && typeof process.stdin.unref === 'function') process.stdin.unref();
