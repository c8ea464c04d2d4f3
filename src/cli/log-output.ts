// Where the server's log lines go: standard output, those of one turn of the event loop in one write, because a write for every
// request costs as much as answering it. A process that is killed outright loses at most the lines of that turn.
import pino from 'pino';

/** pino's stream over standard output. What is pending is written at the end of the turn, on `fatal`, and when the process exits. */
export function logOutput(): pino.DestinationStream & { flushSync(): void } {
  const out = pino.destination({ dest: 1, sync: true });
  let pending = '';
  const flush = (): void => {
    const lines = pending;
    pending = '';
    if (lines !== '') out.write(lines);
  };
  process.on('exit', flush);
  return {
    write(line) {
      if (pending === '') setImmediate(flush);
      pending += line;
    },
    flushSync: flush,
  };
}
