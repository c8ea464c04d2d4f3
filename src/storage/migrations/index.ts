// All migrations in order. Append only: a released migration never changes, and each is additive for one release, so
// that version N-1 still runs on schema N.
import { heart } from './0001-heart.ts';
import { avatars } from './0002-avatars.ts';
import { auditChain } from './0003-audit-chain.ts';
import { blobs } from './0004-blobs.ts';
import { mailLinks } from './0005-mail-links.ts';
import { listIndexes } from './0006-list-indexes.ts';
import { expiryIndex } from './0007-expiry-index.ts';
import { forkIndex } from './0008-fork-index.ts';
import type { Migration } from './migration.ts';

export const migrations: readonly Migration[] = [
  heart,
  avatars,
  auditChain,
  blobs,
  mailLinks,
  listIndexes,
  expiryIndex,
  forkIndex,
];
