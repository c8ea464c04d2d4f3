// Writes every cell of the access tables as text: for each action, which kinds, which single scope, and which role at which
// visibility the judge lets through. The text lies beside the test as rules.txt and is reviewed when it changes.
import { type Action, ALL_ACTIONS, ruleOf } from '../../src/access/actions.ts';
import { type Facts, judge } from '../../src/access/judge.ts';
import { INSTANCE } from '../../src/access/place.ts';
import { KINDS, type Kind } from '../../src/credentials/kinds.ts';
import { SCOPES, type Scope } from '../../src/credentials/scopes.ts';
import { type Holder, proven, type VerifiedCredential } from '../../src/credentials/verified-credential.ts';
import type { Namespace, Project, User } from '../../src/identity/records.ts';
import type { Visibility } from '../../src/storage/schema.ts';

const LEVELS = [0, 5, 10, 15, 20, 25, 30, 40, 50];
const VISIBILITIES: Visibility[] = ['private', 'internal', 'public'];

export const person = (values: Partial<User> = {}): User =>
  ({
    id: 1,
    type: 'human',
    state: 'active',
    username: 'u',
    admin: 0,
    external: 0,
    can_create_group: 1,
    ...values,
  }) as User;

export function credential(kind: Kind, scopes: readonly Scope[], user: User = person()): VerifiedCredential {
  const holders: Record<string, Holder> = {
    user: {
      type: 'user',
      user: kind.startsWith('group_') || kind.startsWith('project_') ? { ...user, type: 'project_bot' } : user,
    },
    deploy_token: { type: 'deploy_token', username: 'd' },
    deploy_key: { type: 'deploy_key', creator: user },
    runner: { type: 'runner', runnerId: 1 },
    operator: { type: 'operator' },
    nobody: { type: 'nobody' },
  };
  return proven({
    kind,
    id: 1,
    familyId: 1,
    name: kind,
    holder: holders[KINDS[kind].holder]!,
    scopes,
    reach: { type: 'everything' },
    impersonation: false,
    expiresAt: null,
    jobId: null,
    sudoBy: null,
    csrfProven: true,
  });
}

export function factsFor(action: Action, level: number, visibility: Visibility, project: Partial<Project> = {}): Facts {
  const namespace = { id: 1, kind: 'group', lineage: '/1/', visibility, owner_user_id: null } as Namespace;
  switch (ruleOf(action).place) {
    case 'instance':
      return { place: INSTANCE };
    case 'group':
      return { place: { type: 'group', group: namespace, level, moved: false } };
    case 'namespace':
      return { place: { type: 'namespace', namespace, level, moved: false } };
    case 'project':
      return {
        place: {
          type: 'project',
          project: { id: 1, visibility, archived: 0, features: '{}', ...project } as Project,
          namespace,
          level,
          moved: false,
        },
        deployKey: { enabled: true, canPush: true, creatorMayPush: true },
      };
  }
}

const LETTERS = { scope: 's', reach: 'h', role: 'r', alive: 'd' } as const;

function cell(held: VerifiedCredential, action: Action, facts: Facts): string {
  const { refusal } = judge(held, action, facts);
  if (refusal === null) return '+';
  return refusal.code === 'hidden' ? 'h' : LETTERS[refusal.lock];
}

/** The whole table. `+` allowed; refused by: `s` scope, `r` role, `h` hidden. */
export function rulesTable(): string {
  const lines: string[] = [
    'Every cell of the access tables. + allowed, s refused by scope, r by role, h hidden.',
    `levels: ${LEVELS.join(' ')} then administrator`,
    '',
  ];
  for (const action of ALL_ACTIONS) {
    const everything = ruleOf(action).place === 'instance' ? person({ admin: 1 }) : person();
    const owner = factsFor(action, 50, 'private');
    const kinds = (Object.keys(KINDS) as Kind[]).filter(
      (kind) => cell(credential(kind, SCOPES, everything), action, owner) === '+',
    );
    const scopes = SCOPES.filter(
      (scope) => cell(credential('personal_access_token', [scope], everything), action, owner) === '+',
    );
    lines.push(action, `  kinds:  ${kinds.join(' ')}`, `  scopes: ${scopes.join(' ') || '-'}`);
    const held = kinds.includes('personal_access_token') ? 'personal_access_token' : (kinds[0] as Kind);
    if (ruleOf(action).place === 'instance') {
      const roles: [string, User][] = [
        ['person', person()],
        ['external', person({ external: 1, can_create_group: 0 })],
        ['administrator', person({ admin: 1 })],
      ];
      const row = roles.map(([name, user]) => `${name} ${cell(credential(held, SCOPES, user), action, owner)}`);
      const bot = cell(credential('group_access_token', SCOPES, person()), action, owner);
      lines.push(`  holder: ${row.join(', ')}, bot ${bot}`);
    } else
      for (const visibility of VISIBILITIES) {
        const row = LEVELS.map((level) => cell(credential(held, SCOPES), action, factsFor(action, level, visibility)));
        const admin = cell(credential(held, SCOPES, person({ admin: 1 })), action, factsFor(action, 0, visibility));
        const outside = cell(
          credential(held, SCOPES, person({ external: 1 })),
          action,
          factsFor(action, 0, visibility),
        );
        const nobody = cell(credential('anonymous', []), action, factsFor(action, 0, visibility));
        lines.push(`  ${visibility.padEnd(8)} ${row.join(' ')}  ${admin}   external ${outside}   nobody ${nobody}`);
      }
    lines.push('');
  }
  return lines.join('\n');
}
