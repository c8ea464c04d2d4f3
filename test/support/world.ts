// A small world made straight in the tables: users, groups, projects, members, shares and keys. For tests of the heart, which
// must not depend on the rooms above it.
import { generateKeyPairSync } from 'node:crypto';
import { pino } from 'pino';
import type { Credential } from '../../src/credentials/credential-rows.ts';
import { type Issued, issueCredential, type Wish } from '../../src/credentials/issue.ts';
import { parseSshKey } from '../../src/credentials/ssh-key.ts';
import { insertSshKey, type NewSshKey } from '../../src/credentials/ssh-key-store.ts';
import { createVerifier, type Verifier } from '../../src/credentials/verify.ts';
import type { Namespace, Project, User } from '../../src/identity/records.ts';
import { ManualClock } from '../../src/kernel/clock.ts';
import { systemRandom } from '../../src/kernel/random.ts';
import type { Database } from '../../src/storage/database.ts';
import type { House } from '../../src/storage/house.ts';
import { InstanceKeys } from '../../src/storage/instance-keys.ts';
import type { Visibility } from '../../src/storage/schema.ts';
import { remember } from './canary.ts';

export const START = Date.UTC(2026, 2, 1, 15);

export interface World {
  readonly house: House;
  readonly clock: ManualClock;
  readonly verifier: Verifier;
  user(values?: Partial<User>): Promise<User>;
  group(values?: { parent?: Namespace; visibility?: Visibility; path?: string }): Promise<Namespace>;
  personal(user: User): Promise<Namespace>;
  project(namespace: Namespace, values?: Partial<Project>): Promise<Project>;
  member(user: User, at: { project?: Project; group?: Namespace }, level: number, expiresAt?: string): Promise<void>;
  share(group: Namespace, at: { project?: Project; group?: Namespace }, level: number): Promise<void>;
  issue(wish: Partial<Wish> & { kind: Wish['kind'] }): Promise<Issued>;
  /** an SSH key with a new body of its own; owned by nobody unless said */
  sshKey(wish: Partial<NewSshKey> & { kind: NewSshKey['kind'] }): Promise<Credential>;
}

/** The keys of a test instance. */
export const testKeys = (version = 1) =>
  new InstanceKeys(new Map(Array.from({ length: version }, (_, index) => [index + 1, Buffer.alloc(32, index + 7)])));

/** A house over a database, with a clock that stands at START. */
export function makeWorld(db: Database, keys: InstanceKeys = testKeys()): World {
  const clock = new ManualClock(START);
  const house: House = {
    db,
    clock,
    keys,
    random: systemRandom,
    url: 'http://forge.example:8080',
    log: pino({ level: 'silent' }),
  };
  let count = 0;
  const next = () => ++count;
  return {
    house,
    clock,
    verifier: createVerifier(house),
    user: (values = {}) =>
      db.tx((tx) => {
        const name = values.username ?? `user${next()}`;
        return tx
          .insertInto('users')
          .values({
            type: 'human',
            state: 'active',
            username: name,
            username_lower: name.toLowerCase(),
            name,
            email: `${name}@example.com`,
            email_lower: `${name.toLowerCase()}@example.com`,
            admin: 0,
            external: 0,
            can_create_group: 1,
            projects_limit: 100,
            note: null,
            bio: null,
            password_digest: null,
            password_changed_at: null,
            preferences: null,
            status: null,
            avatar_key: null,
            bot_project_id: null,
            bot_namespace_id: null,
            created_by_user_id: null,
            created_at: START,
            updated_at: START,
            confirmed_at: START,
            last_sign_in_at: null,
            current_sign_in_at: null,
            deleted_at: null,
            ...values,
          })
          .returningAll()
          .executeTakeFirstOrThrow();
      }),
    group: ({ parent, visibility = 'private', path = `group${next()}` } = {}) =>
      namespace(db, { parent, visibility, path, kind: 'group', owner: null }),
    personal: (user) => namespace(db, { visibility: 'public', path: user.username, kind: 'user', owner: user.id }),
    project: (at, values = {}) =>
      db.tx((tx) => {
        const path = values.path ?? `project${next()}`;
        const full = `${at.full_path}/${path}`;
        return tx
          .insertInto('projects')
          .values({
            namespace_id: at.id,
            name: path,
            path,
            full_path: full,
            full_path_lower: full.toLowerCase(),
            description: null,
            visibility: 'private',
            default_branch: 'main',
            archived: 0,
            creator_id: null,
            repository_id: null,
            forked_from_project_id: null,
            features: '{}',
            settings: '{}',
            topics: '[]',
            created_at: START,
            updated_at: START,
            last_activity_at: START,
            deleted_at: null,
            ...values,
          })
          .returningAll()
          .executeTakeFirstOrThrow();
      }),
    member: (user, at, level, expiresAt) =>
      db.tx(async (tx) => {
        await tx
          .insertInto('members')
          .values({
            user_id: user.id,
            project_id: at.project?.id ?? null,
            namespace_id: at.group?.id ?? null,
            access_level: level,
            expires_at: expiresAt ?? null,
            created_by_user_id: null,
            created_at: START,
          })
          .execute();
      }),
    share: (group, at, level) =>
      db.tx(async (tx) => {
        await tx
          .insertInto('shares')
          .values({
            project_id: at.project?.id ?? null,
            namespace_id: at.group?.id ?? null,
            group_id: group.id,
            access_level: level,
            expires_at: null,
            created_at: START,
          })
          .execute();
      }),
    async issue(wish) {
      const issued = await db.tx((tx) =>
        issueCredential(tx, house, {
          name: 'key',
          scopes: ['api'],
          expiresAt: null,
          createdByUserId: null,
          createdByCredentialId: null,
          ...wish,
        }),
      );
      remember(issued.secret.reveal());
      return issued;
    },
    sshKey: (wish) =>
      db.tx((tx) =>
        insertSshKey(
          tx,
          {
            key: newSshKey(),
            title: 'ssh key',
            public: false,
            usageType: 'auth_and_signing',
            userId: null,
            expiresAt: null,
            createdByUserId: null,
            createdByCredentialId: null,
            ...wish,
          },
          START,
        ),
      ),
  };
}

/** The public half of a fresh Ed25519 key, as SSH writes it. */
export function newSshKeyText(comment = 'test'): string {
  const { publicKey } = generateKeyPairSync('ed25519');
  const point = Buffer.from(publicKey.export({ format: 'jwk' }).x!, 'base64url');
  const part = (bytes: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  const blob = Buffer.concat([part(Buffer.from('ssh-ed25519')), part(point)]);
  return `ssh-ed25519 ${blob.toString('base64')} ${comment}`;
}

function newSshKey() {
  const parsed = parseSshKey(newSshKeyText());
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

async function namespace(
  db: Database,
  wish: { parent?: Namespace; visibility: Visibility; path: string; kind: 'user' | 'group'; owner: number | null },
): Promise<Namespace> {
  return db.tx(async (tx) => {
    const full = wish.parent ? `${wish.parent.full_path}/${wish.path}` : wish.path;
    const row = await tx
      .insertInto('namespaces')
      .values({
        kind: wish.kind,
        parent_id: wish.parent?.id ?? null,
        owner_user_id: wish.owner,
        name: wish.path,
        path: wish.path,
        full_path: full,
        full_path_lower: full.toLowerCase(),
        lineage: '/',
        visibility: wish.visibility,
        description: '',
        settings: '{}',
        created_at: START,
        updated_at: START,
        deleted_at: null,
      })
      .returningAll()
      .executeTakeFirstOrThrow();
    return tx
      .updateTable('namespaces')
      .set({ lineage: `${wish.parent?.lineage ?? '/'}${row.id}/` })
      .where('id', '=', row.id)
      .returningAll()
      .executeTakeFirstOrThrow();
  });
}
