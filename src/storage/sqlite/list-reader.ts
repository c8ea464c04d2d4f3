// The main thread's side of the list process: one statement at a time, each with a deadline that counts from when it was
// asked, so a slow list costs those behind it no more than their own five seconds. What runs too long is killed.
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { compileCacheVariable } from '../../kernel/compile-cache.ts';
import { ListTimeout } from '../errors.ts';
import type { Link, LinkResult } from '../link-driver.ts';
import type { Bound } from '../parameters.ts';
import { READY, type StatementReply } from './protocol.ts';

interface Question {
  readonly sql: string;
  readonly parameters: readonly Bound[];
  settled: boolean;
  resolve(result: LinkResult): void;
  reject(error: unknown): void;
}

const PROGRAM = fileURLToPath(new URL('./list-process.ts', import.meta.url));

/** Runs read statements in a process of its own, started with the first of them. */
export class SqliteListReader {
  readonly #path: string;
  readonly #timeout: number;
  readonly #queue: Question[] = [];
  #child: ChildProcess | null = null;
  #isReady = false;
  #current: Question | null = null;
  #closed = false;

  constructor(path: string, timeout: number) {
    this.#path = path;
    this.#timeout = timeout;
  }

  async acquire(): Promise<Link> {
    if (this.#closed) throw new Error('the database is closed');
    return { run: (sql, parameters) => this.#ask(sql, parameters), release: () => {} };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#drop(new Error('the database is closed'));
    for (const question of this.#queue.splice(0)) question.reject(new Error('the database is closed'));
  }

  #ask(sql: string, parameters: readonly Bound[]): Promise<LinkResult> {
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const question: Question = {
        sql,
        parameters,
        settled: false,
        resolve: (result) => {
          clearTimeout(timer);
          question.settled = true;
          resolve(result);
        },
        reject: (error) => {
          clearTimeout(timer);
          question.settled = true;
          reject(error);
        },
      };
      timer = setTimeout(() => {
        question.reject(new ListTimeout(this.#timeout));
        // A process that is still starting is not to blame: what it would have run is skipped when its turn comes.
        if (this.#current === question) this.#drop(new ListTimeout(this.#timeout));
      }, this.#timeout);
      this.#queue.push(question);
      this.#next();
    });
  }

  #next(): void {
    if (this.#current !== null || this.#closed) return;
    while (this.#queue[0]?.settled) this.#queue.shift();
    if (this.#queue.length === 0) {
      this.#child?.unref();
      this.#child?.channel?.unref();
      return;
    }
    const child = this.#running();
    child.ref();
    child.channel?.ref();
    if (!this.#isReady) return;
    const question = this.#queue.shift()!;
    this.#current = question;
    child.send({ id: READY + 1, sql: question.sql, parameters: question.parameters });
  }

  #running(): ChildProcess {
    if (this.#child !== null) return this.#child;
    const child = fork(PROGRAM, [this.#path], {
      execArgv: ['--disable-warning=ExperimentalWarning'],
      // Nothing of the server's environment, which may hold passwords.
      env: compileCacheVariable(),
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    this.#child = child;
    this.#isReady = false;
    child.on('message', (reply) => this.#settle(child, reply as StatementReply));
    const lost = (): void => {
      if (this.#child !== child) return;
      this.#drop(new Error("the database's list reader has ended"));
    };
    child.on('error', lost);
    child.on('exit', lost);
    return child;
  }

  #settle(child: ChildProcess, reply: StatementReply): void {
    if (this.#child !== child) return;
    if (reply.id === READY) {
      if ('error' in reply) {
        for (const question of this.#queue.splice(0)) question.reject(reply.error);
        this.#drop(reply.error);
      } else this.#isReady = true;
    } else {
      const question = this.#current;
      this.#current = null;
      if ('result' in reply) question?.resolve(reply.result);
      else question?.reject(reply.error);
    }
    this.#next();
  }

  /** Kills the process; what it was running is answered with `error`, the queue goes on with a new one. */
  #drop(error: unknown): void {
    const [child, question] = [this.#child, this.#current];
    this.#child = null;
    this.#current = null;
    this.#isReady = false;
    child?.kill('SIGKILL');
    if (question !== null && !question.settled) question.reject(error);
    this.#next();
  }
}
