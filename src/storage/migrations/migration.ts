// What a migration is. It is numbered, applied once and for good, and adds: version N-1 still runs on what it leaves.
import type { Kysely } from 'kysely';
import type { Schema } from '../schema.ts';

export interface Migration {
  readonly id: number;
  readonly name: string;
  up(q: Kysely<Schema>, engine: 'sqlite' | 'postgres'): Promise<void>;
}
