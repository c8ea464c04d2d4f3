// The audit's chain: batches with a hash each, built on the one before, and which event lies in which batch. And holds: what
// must stand still while a backup copies.
import { sql } from 'kysely';
import type { Migration } from './migration.ts';

export const auditChain: Migration = {
  id: 3,
  name: 'audit-chain',
  async up(q, engine) {
    const [integer, strict] = engine === 'sqlite' ? ['integer', 'strict'] : ['bigint', ''];
    const statements = [
      `create table audit_batches (id ${integer} primary key, first_event_id ${integer} not null,
       last_event_id ${integer} not null, high_event_id ${integer} not null, count ${integer} not null,
       previous_hash text not null unique, hash text not null unique, mac text not null, key_id ${integer} not null,
       sealed_at ${integer} not null) ${strict}`,
      'create index audit_batches_sealed on audit_batches (sealed_at)',
      // Without a foreign key: a row that somebody removed must stay named here.
      `create table audit_seals (event_id ${integer} primary key, batch_id ${integer} not null, hash text not null) ${strict}`,
      'create index audit_seals_batch on audit_seals (batch_id)',
      `create table holds (name text primary key, holder text not null, until ${integer} not null) ${strict}`,
    ];
    for (const statement of statements) await sql.raw(statement).execute(q);
  },
};
