// Why a presented text is no live key. The identified key stays inside the process (reuse detection, audit); callers are told
// only what the contract tells them.
import type { StoredKind } from '../storage/schema.ts';

export type DeadCode =
  /** cannot be a key of ours by its looks: no look-up was made */
  'malformed' | 'unknown' | 'expired' | 'revoked' | 'holder_blocked' | 'impersonation_disabled';

export interface DeadCredential {
  readonly code: DeadCode;
  /** the key that the text belonged to, when it was one */
  readonly identified: {
    readonly id: number;
    readonly kind: StoredKind;
    readonly familyId: number;
    readonly userId: number | null;
    readonly name: string;
  } | null;
}
