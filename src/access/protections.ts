// What protects a project's branches and tags, as plain records, and which rules speak about a name (reference git-and-deploy
// 11.1). It asks nobody whether something is allowed: ref-rules.ts does.

export type ProtectedRefType = 'branch' | 'tag';
export type LevelOperation = 'push' | 'merge' | 'unprotect' | 'create';

/** One entry of a rule. Exactly one of the four says who: a named key, user or group is never also a role. */
export interface ProtectionEntry {
  readonly id: number;
  /** 0 no one, 30 Developers + Maintainers, 40 Maintainers, 60 administrators */
  readonly accessLevel: number | null;
  readonly userId: number | null;
  readonly groupId: number | null;
  readonly deployKeyId: number | null;
}

export interface Protection {
  readonly id: number;
  readonly type: ProtectedRefType;
  /** exact, or with `*`, which also matches `/` */
  readonly name: string;
  readonly allowForcePush: boolean;
  readonly codeOwnerApprovalRequired: boolean;
  readonly levels: Readonly<Record<LevelOperation, readonly ProtectionEntry[]>>;
}

/**
 * Whether a rule's name speaks about `ref`; letter case counts. Runs in linear time whatever the pattern: rules are written
 * by people who may wish the server ill.
 */
export function matchesName(pattern: string, ref: string): boolean {
  const parts = pattern.split('*');
  const first = parts[0] ?? '';
  if (parts.length === 1) return pattern === ref;
  const last = parts[parts.length - 1] ?? '';
  if (!ref.startsWith(first) || !ref.endsWith(last) || ref.length < first.length + last.length) return false;
  let from = first.length;
  const until = ref.length - last.length;
  for (const part of parts.slice(1, -1)) {
    const at = ref.indexOf(part, from);
    if (at === -1 || at + part.length > until) return false;
    from = at + part.length;
  }
  return true;
}

/** The rules of `type` that speak about `name` (without `refs/heads/` or `refs/tags/`). */
export function matchingProtections(
  protections: readonly Protection[],
  type: ProtectedRefType,
  name: string,
): readonly Protection[] {
  return protections.filter((each) => each.type === type && matchesName(each.name, name));
}
