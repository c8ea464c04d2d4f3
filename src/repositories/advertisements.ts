// What git said about a repository's refs to clients of the old protocol, kept while nothing about these refs has changed: starting
// git for each of them costs milliseconds. The bytes are git's own. It knows neither who asks nor whether he may: that is decided
// for each request before it comes here.
import { lstatSync } from 'node:fs';
import { opendir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { SECOND, systemClock } from '../kernel/clock.ts';

/** Bytes of one answer that is kept; larger ones pass through. */
export const MOST_OF_ONE = 1024 * 1024;
const MOST_OF_ALL = 8 * 1024 * 1024;
/** Files and folders of one repository that are looked at for each request, at two or three microseconds each. */
const MOST_MARKS = 512;
/** Two changes within one tick of a file system's clock leave the same time behind; none ticks slower than this. */
const SETTLED = 2 * SECOND;
const BYTES_OF_A_MARK = 200;

/** How a file or folder looked; `ino` 0: there was none. */
interface Mark {
  readonly path: string;
  readonly ino: number;
  readonly size: number;
  readonly mtime: number;
  readonly ctime: number;
}

type Kept = {
  readonly marks: readonly Mark[];
  /** null: nobody knows, for the one who asked has left or git has failed */
  readonly answer: Promise<Buffer | 'too large' | null>;
  bytes: number;
};

/** The answers about the repositories of one server, within 8 MiB; what was not asked for longest goes first. */
export class Advertisements {
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;

  /**
   * The answer about the repository in `folder`; `version` is the protocol's. `ask` asks git, and is called unless git has said
   * it already, or is about to say it to another request that came after the last change. Throws what `ask` throws.
   */
  async recall(folder: string, version: number, ask: () => Promise<Buffer | Readable>): Promise<Buffer | Readable> {
    const key = `${version} ${folder}`;
    const known = await this.#known(key);
    if (known !== null) return known === 'too large' ? ask() : known;
    const marks = await marksOf(folder);
    if (marks === null) return ask();
    // Others may have come as far while the folder was read.
    const meanwhile = await this.#known(key);
    if (meanwhile !== null) return meanwhile === 'too large' ? ask() : meanwhile;
    return this.#ask(key, marks, ask);
  }

  async #known(key: string): Promise<Buffer | 'too large' | null> {
    const kept = this.#kept.get(key);
    if (kept === undefined) return null;
    this.#drop(key, kept);
    if (!kept.marks.every(holds)) return null;
    // Moved to the young end: a Map keeps the order of insertion.
    this.#keep(key, kept);
    return kept.answer;
  }

  async #ask(key: string, marks: readonly Mark[], ask: () => Promise<Buffer | Readable>): Promise<Buffer | Readable> {
    let tell: (answer: Buffer | 'too large' | null) => void = () => {};
    const answer = new Promise<Buffer | 'too large' | null>((resolve) => {
      tell = resolve;
    });
    const kept: Kept = { marks, answer, bytes: marks.length * BYTES_OF_A_MARK };
    this.#keep(key, kept);
    try {
      const said = await ask();
      tell(Buffer.isBuffer(said) ? said : 'too large');
      if (Buffer.isBuffer(said) && this.#drop(key, kept)) {
        kept.bytes += said.length;
        this.#keep(key, kept);
      }
      return said;
    } catch (error) {
      this.#drop(key, kept);
      tell(null);
      throw error;
    }
  }

  #keep(key: string, kept: Kept): void {
    const before = this.#kept.get(key);
    if (before) this.#drop(key, before);
    this.#kept.set(key, kept);
    this.#bytes += kept.bytes;
    for (const [oldest, other] of this.#kept) {
      if (this.#bytes <= MOST_OF_ALL) return;
      this.#drop(oldest, other);
    }
  }

  /** False when it was not there any more. */
  #drop(key: string, kept: Kept): boolean {
    if (this.#kept.get(key) !== kept) return false;
    this.#kept.delete(key);
    this.#bytes -= kept.bytes;
    return true;
  }
}

/**
 * How all looks that decides what git says: HEAD, configuration, packed refs, each folder below `refs` and each ref in it. Every
 * way in which git changes a ref renames or removes a file there, which the file or its folder shows. Null when there is too
 * much of it, or when something is so young that a change right now might leave the same times behind (as with git's own index).
 */
async function marksOf(folder: string): Promise<Mark[] | null> {
  const settled = systemClock.now() - SETTLED;
  const marks: Mark[] = [];
  const add = (path: string): boolean => {
    const mark = markOf(path);
    marks.push(mark);
    return marks.length <= MOST_MARKS && mark.mtime < settled && mark.ctime < settled;
  };
  for (const name of ['HEAD', 'config', 'config.worktree', 'packed-refs', 'shallow'])
    if (!add(join(folder, name))) return null;
  const folders = [join(folder, 'refs')];
  for (let path = folders.pop(); path !== undefined; path = folders.pop()) {
    // Before it is read: what comes or goes from now on changes its times.
    if (!add(path)) return null;
    const entries = await opendir(path).catch(() => null);
    if (entries === null) return null;
    // Leaving the loop closes the folder.
    for await (const entry of entries) {
      const inside = join(path, entry.name);
      if (entry.isDirectory()) folders.push(inside);
      else if (!entry.isFile() || !add(inside)) return null;
    }
  }
  return marks;
}

function markOf(path: string): Mark {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return { path, ino: 0, size: 0, mtime: 0, ctime: 0 };
  return { path, ino: found.ino, size: found.size, mtime: found.mtimeMs, ctime: found.ctimeMs };
}

function holds(mark: Mark): boolean {
  const now = markOf(mark.path);
  return now.ino === mark.ino && now.size === mark.size && now.mtime === mark.mtime && now.ctime === mark.ctime;
}
