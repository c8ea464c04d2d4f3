// The process that runs lists and counts on a SQLite file. A process and not a thread, because SQLite in a thread cannot
// be stopped in the middle of a statement: terminating the thread waits for its end, killing a reader is always safe.
import { SqliteConnection } from './connection.ts';
import { answer, READY, remoteError, type StatementReply, type StatementRequest } from './protocol.ts';

const reply = (message: StatementReply): void => {
  process.send?.(message);
};

// A Ctrl-C in the terminal goes to the whole group; the server tells us when it is done with us.
process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit(0));
try {
  const connection = new SqliteConnection(process.argv[2] ?? '', 'read');
  process.on('message', (request) => reply(answer(connection, request as StatementRequest)));
  reply({ id: READY, result: { rows: [] } });
} catch (error) {
  reply({ id: READY, error: remoteError(error) });
}
