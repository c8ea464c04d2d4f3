// `Expect: 100-continue`: a client that asks before it sends its body hears "continue" when somebody begins to read the body,
// and not before. So every door answers it after its own decision, without a line of its own.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';

/** Makes `server` answer `Expect: 100-continue` at the first read of the body; a refusal without a read answers at once. */
export function continueWhenRead(server: Server): void {
  server.on('checkContinue', (request: IncomingMessage, response: ServerResponse) => {
    const read = request._read.bind(request);
    let asked = false;
    request._read = (size: number) => {
      if (!asked) {
        asked = true;
        // After the answer, Node reads the rest only to throw it away: there is nothing left to continue.
        if (!response.headersSent && !response.writableEnded) response.writeContinue();
      }
      read(size);
    };
    server.emit('request', request, response);
  });
}
