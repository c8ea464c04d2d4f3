// When a request is over: its answer went out, or its client left. What waits for that is told once, and the signal for
// handlers that stream is made only for those that look at it.
import type { ServerResponse } from 'node:http';

export class RequestEnd {
  readonly #response: ServerResponse;
  readonly #waiting: (() => void)[] = [];
  #controller: AbortController | null = null;
  #isOver = false;

  constructor(response: ServerResponse) {
    this.#response = response;
    // Who closed already says so no more.
    if (response.closed) this.#isOver = true;
    else response.on('close', () => this.#end());
  }

  /** Aborted when the client left before its answer was written. */
  get left(): AbortSignal {
    this.#controller ??= new AbortController();
    if (this.#isOver) this.#abort();
    return this.#controller.signal;
  }

  /** Calls `work` at the end, or now when that has come. */
  after(work: () => void): void {
    if (this.#isOver) work();
    else this.#waiting.push(work);
  }

  #end(): void {
    this.#isOver = true;
    this.#abort();
    for (const work of this.#waiting.splice(0)) work();
  }

  #abort(): void {
    if (!this.#response.writableFinished) this.#controller?.abort(new Error('the client left'));
  }
}
