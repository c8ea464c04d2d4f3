// The writer's worker thread: owns the only connection that writes, and runs what it is sent, in order.
import { parentPort, workerData } from 'node:worker_threads';
import { SqliteConnection } from './connection.ts';
import { answer, READY, remoteError, type StatementReply, type StatementRequest } from './protocol.ts';

const port = parentPort!;
const reply = (message: StatementReply): void => port.postMessage(message);

try {
  const connection = new SqliteConnection((workerData as { path: string }).path, 'write');
  port.on('message', (message: StatementRequest | 'close') => {
    if (message !== 'close') return reply(answer(connection, message));
    connection.close();
    port.close();
  });
  reply({ id: READY, result: { rows: [] } });
} catch (error) {
  reply({ id: READY, error: remoteError(error) });
}
