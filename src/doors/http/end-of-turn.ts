// Answers of one turn of the event loop go out together at its end. Each write to a client that sleeps wakes it, which costs as
// much as making the answer did; a client that was woken by the first of them finds the others without being woken again.
import type { ServerResponse } from 'node:http';

type Ending = readonly [response: ServerResponse, body: string];

let endings: Ending[] = [];

/** Ends `response`, whose head is set, with `body` when all that came in with its request has been handled. */
export function endWithTurn(response: ServerResponse, body: string): void {
  if (endings.length === 0) setImmediate(endAll);
  endings.push([response, body]);
}

function endAll(): void {
  const now = endings;
  endings = [];
  for (const [response, body] of now) response.end(body);
}
