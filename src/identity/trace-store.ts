// Carries out what-moves.ts in the database, whatever tables the list names. It is the one store that writes tables of other
// rooms, and only columns that name the user who goes.
import { sql } from 'kysely';
import type { Tx } from '../storage/database.ts';
import { TRACES } from './what-moves.ts';

/** Moves to `ghostId`, clears or deletes what names `userId`. Names come from our own list, never from outside. */
export async function moveTraces(tx: Tx, userId: number, ghostId: number): Promise<void> {
  for (const { table, column, fate, kind } of TRACES) {
    const [t, c] = [sql.table(table), sql.ref(column)];
    const his = kind === undefined ? sql`${c} = ${userId}` : sql`${c} = ${userId} and kind = ${kind}`;
    if (fate === 'move') await sql`update ${t} set ${c} = ${ghostId} where ${his}`.execute(tx);
    if (fate === 'clear') await sql`update ${t} set ${c} = null where ${his}`.execute(tx);
    if (fate === 'delete') await sql`delete from ${t} where ${his}`.execute(tx);
  }
}
