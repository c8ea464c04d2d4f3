// How a text from outside is looked for inside a column, alike on both engines: without regard to case, and with no
// character of it being a wildcard. It knows no table.
import { type Expression, type RawBuilder, type SqlBool, sql } from 'kysely';

/** Whether `column` contains `text`, ignoring ASCII case. */
export function contains(column: Expression<string | null>, text: string): RawBuilder<SqlBool> {
  const pattern = `%${text.toLowerCase().replace(/[!%_]/g, '!$&')}%`;
  return sql<SqlBool>`lower(${column}) like ${pattern} escape '!'`;
}
