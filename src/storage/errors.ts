// How a database says no, in words that are the same on both engines. Messages name tables, columns and constraints and
// never a value: a value may be a digest, an address or whatever a stranger sent.

/** A row of that key is there already. */
export class UniqueViolation extends Error {
  readonly table: string | null;
  readonly columns: readonly string[];
  /** The constraint's or index's name; SQLite tells it only for indexes on expressions. */
  readonly constraint: string | null;

  constructor(table: string | null, columns: readonly string[], constraint: string | null) {
    super(`unique violation on ${table ?? 'a table'} (${columns.length > 0 ? columns.join(', ') : constraint})`);
    this.name = 'UniqueViolation';
    this.table = table;
    this.columns = columns;
    this.constraint = constraint;
  }

  /** Whether the clash is on the column, or on the index on an expression, of this name. */
  touches(name: string): boolean {
    return this.columns.includes(name) || this.constraint === name;
  }
}

/** A row that is pointed to is missing, or a row that goes is still pointed to. */
export class ForeignKeyViolation extends Error {
  constructor(what: string | null) {
    super(`foreign key violation${what === null ? '' : ` (${what})`}`);
    this.name = 'ForeignKeyViolation';
  }
}

/** A list or count took longer than it may; doors answer 503. */
export class ListTimeout extends Error {
  constructor(milliseconds: number) {
    super(`a list took longer than ${milliseconds} ms and was stopped`);
    this.name = 'ListTimeout';
  }
}

/** A statement of this transaction failed before and somebody swallowed that; nothing of it is kept, on either engine. */
export class TransactionAborted extends Error {
  constructor() {
    super('the transaction was rolled back because one of its statements had failed');
    this.name = 'TransactionAborted';
  }
}

/** The database was written by a newer Keyward. */
export class SchemaTooNew extends Error {
  constructor(found: number, known: number) {
    super(
      `The database has schema ${found}, this Keyward knows schemas up to ${known}. ` +
        'Start the newer version of Keyward that wrote it, or restore a backup from before the upgrade.',
    );
    this.name = 'SchemaTooNew';
  }
}

/** A text or number that no column can hold alike on both engines: a NUL byte, a fraction of infinity, an object. */
export class UnstorableValue extends Error {
  constructor(why: string) {
    super(`a value cannot be stored: ${why}`);
    this.name = 'UnstorableValue';
  }
}

/** Any other failure of the database. `code` is PostgreSQL's SQLSTATE or SQLite's extended result code. */
export class DatabaseError extends Error {
  readonly code: string | null;

  constructor(message: string, code: string | null) {
    super(message);
    this.name = 'DatabaseError';
    this.code = code;
  }
}

/** What a write cannot be done for: no room is left, or the disk refuses it. */
export type DiskTrouble = 'full' | 'failing';

const ERRNO: Readonly<Record<string, DiskTrouble>> = {
  ENOSPC: 'full',
  EDQUOT: 'full',
  EFBIG: 'full',
  EIO: 'failing',
  EROFS: 'failing',
};
const SQLITE_FULL = 13;
const SQLITE_IOERR = 10;
/** The words of git, which gives no code, for the same. */
const WORDS = /No space left on device|Disk quota exceeded|File too large/;

/** Whether an error of the database, the file system or git (its `stderr`) is the disk's; null for every other one. */
export function diskTrouble(error: unknown): DiskTrouble | null {
  if (!(error instanceof Error)) return null;
  if (error instanceof DatabaseError) {
    if (error.code === '53100') return 'full';
    if (error.code === '58030') return 'failing';
    // SQLite's extended codes keep the plain one in their lowest byte.
    const plain = /^\d{1,4}$/.test(error.code ?? '') ? Number(error.code) & 0xff : null;
    return plain === SQLITE_FULL ? 'full' : plain === SQLITE_IOERR ? 'failing' : null;
  }
  const { code, stderr } = error as { code?: unknown; stderr?: unknown };
  if (typeof code === 'string' && Object.hasOwn(ERRNO, code)) return ERRNO[code]!;
  if (typeof stderr !== 'string') return null;
  return WORDS.test(stderr) ? 'full' : /Input\/output error/.test(stderr) ? 'failing' : null;
}
