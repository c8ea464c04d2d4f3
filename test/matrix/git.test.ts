// Who may clone, push, and push to a protected branch: kind of key x scope x role x visibility, generated from the tables, held to
// lines written by hand, and asked of a running server (reference git-and-deploy 1, 2, 8, 11.2, access-tokens 2.4).
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { decide } from '../../src/access/decide.ts';
import { judge } from '../../src/access/judge.ts';
import { atProject } from '../../src/access/place.ts';
import { insertProtection, listProtections } from '../../src/access/protected-ref-store.ts';
import { judgeRefUpdate } from '../../src/access/ref-rules.ts';
import type { Scope } from '../../src/credentials/scopes.ts';
import { anonymous, proven, type VerifiedCredential } from '../../src/credentials/verified-credential.ts';
import { refusalReply } from '../../src/doors/git-http/replies.ts';
import type { Namespace, Project, User } from '../../src/identity/records.ts';
import { Secret } from '../../src/kernel/secret.ts';
import { intendPush } from '../../src/repositories/push.ts';
import { updateSettings } from '../../src/settings/settings.ts';
import type { Visibility } from '../../src/storage/schema.ts';
import { type Forge, openForge } from '../doors/git-http/forge.ts';
import { forEachEngine } from '../support/engines.ts';

const KINDS = ['personal', 'group', 'project', 'deploy', 'none'] as const;
const SCOPES = ['api', 'read_api', 'read_user', 'read_repository', 'write_repository', 'read_registry'] as const;
const LEVELS = [0, 10, 15, 20, 30, 40, 50] as const;
const VISIBILITIES = ['private', 'internal', 'public'] as const;
type Kind = (typeof KINDS)[number];

/** `home`: where the key was made for, `away`: somewhere else. */
type Where = 'home' | 'away';
/** ok; denied: 401; scope: 403 for the key; role: 403 for its holder; hidden: 404; guarded: let in, then refused by the rule */
type Outcome = 'ok' | 'denied' | 'scope' | 'role' | 'hidden' | 'guarded';

interface Cell {
  readonly kind: Kind;
  readonly scope: Scope | null;
  readonly level: number;
  readonly visibility: Visibility;
  readonly where: Where;
}

// kind scope level visibility where | clone push push-to-protected (the default rule: Maintainers)
const BY_HAND = `
none     -                0  private  home | denied denied denied
none     -                0  internal home | denied denied denied
none     -                0  public   home | ok     denied denied
personal api              0  private  home | hidden hidden hidden
personal api              0  internal home | ok     role   role
personal api              0  public   home | ok     role   role
personal api              10 private  home | role   role   role
personal api              10 internal home | ok     role   role
personal api              15 private  home | ok     role   role
personal api              20 private  home | ok     role   role
personal api              30 private  home | ok     ok     guarded
personal api              40 private  home | ok     ok     ok
personal api              50 private  home | ok     ok     ok
personal read_api         30 private  home | ok     scope  scope
personal read_repository  30 private  home | ok     scope  scope
personal read_repository  0  private  home | hidden scope  scope
personal read_repository  10 private  home | role   scope  scope
personal write_repository 30 private  home | ok     ok     guarded
personal write_repository 40 public   home | ok     ok     ok
personal write_repository 20 public   home | ok     role   role
personal write_repository 0  private  home | hidden hidden hidden
personal read_user        40 private  home | scope  scope  scope
personal read_user        0  private  home | scope  scope  scope
personal read_user        0  public   home | scope  scope  scope
personal read_registry    50 public   home | scope  scope  scope
group    api              30 private  home | ok     ok     guarded
group    api              40 private  home | ok     ok     ok
group    write_repository 10 private  home | role   role   role
group    read_repository  20 private  home | ok     scope  scope
group    api              40 private  away | denied denied denied
group    api              40 internal away | ok     role   role
group    api              40 public   away | ok     role   role
project  write_repository 30 private  home | ok     ok     guarded
project  write_repository 40 internal home | ok     ok     ok
project  read_repository  10 private  home | role   scope  scope
project  read_user        40 private  home | scope  scope  scope
project  write_repository 40 private  away | denied denied denied
project  write_repository 40 public   away | ok     role   role
project  read_repository  40 private  away | denied denied denied
deploy   read_repository  0  private  home | ok     scope  scope
deploy   read_repository  0  public   home | ok     scope  scope
deploy   read_registry    0  private  home | scope  scope  scope
deploy   write_repository 0  private  home | ok     ok     guarded
deploy   read_repository  0  private  away | denied denied denied
deploy   read_repository  0  public   away | denied denied denied
deploy   write_repository 0  public   away | denied denied denied
`;

function cellsByHand(): { cell: Cell; expected: readonly Outcome[]; line: string }[] {
  return BY_HAND.trim()
    .split('\n')
    .map((line) => {
      const [left, right] = line.split('|') as [string, string];
      const [kind, scope, level, visibility, where] = left.trim().split(/\s+/) as [
        Kind,
        string,
        string,
        Visibility,
        Where,
      ];
      const cell = { kind, scope: scope === '-' ? null : (scope as Scope), level: Number(level), visibility, where };
      return { cell, expected: right.trim().split(/\s+/) as Outcome[], line };
    });
}

/** What the tables say, without a server: locks, then the ref rule. */
function predict(cell: Cell): readonly Outcome[] {
  const group = { id: 1, kind: 'group', lineage: '/1/', visibility: 'public', owner_user_id: null } as Namespace;
  const project = {
    id: 1,
    namespace_id: 1,
    full_path: 'g/p',
    visibility: cell.visibility,
    archived: 0,
    features: '{}',
    default_branch: 'main',
  } as Project;
  const level = cell.where === 'home' && cell.kind !== 'none' ? cell.level : 0;
  const credential = credentialOf(cell);
  const place = { type: 'project' as const, project, namespace: group, level, moved: false };
  const machine = cell.kind !== 'personal' && cell.kind !== 'none';
  const sees =
    cell.where === 'home'
      ? cell.kind === 'deploy' || cell.visibility !== 'private' || level >= 10
      : cell.kind !== 'deploy' && cell.visibility !== 'private';
  const say = (action: 'repository:pull' | 'repository:push'): Outcome => {
    if (machine && !sees) return 'denied';
    const { refusal } = judge(credential, action, { place });
    if (refusal === null) return 'ok';
    if (cell.kind === 'none') return 'denied';
    return outcomeOf(refusalReply(refusal, action === 'repository:pull' ? 'upload-pack' : 'receive-pack', ''));
  };
  const [clone, push] = [say('repository:pull'), say('repository:push')];
  if (push !== 'ok') return [clone, push, push];
  const guarded = judgeRefUpdate(
    {
      actor:
        cell.kind === 'deploy'
          ? { type: 'deploy_token' }
          : { type: 'user', userId: 1, level, isAdmin: false, groupIds: [] },
      mayPush: true,
      protections: [
        {
          id: 1,
          type: 'branch',
          name: 'main',
          allowForcePush: false,
          codeOwnerApprovalRequired: false,
          levels: {
            push: [{ id: 1, accessLevel: 40, userId: null, groupId: null, deployKeyId: null }],
            merge: [],
            unprotect: [],
            create: [],
          },
        },
      ],
      defaultBranch: 'main',
      empty: false,
      defaultBranchProtection: 2,
      door: 'git',
      projectPath: 'g/p',
      membersUrl: '',
    },
    { ref: 'refs/heads/main', kind: 'update', forced: false, inProtectedBranch: false },
  );
  return [clone, push, guarded === null ? 'ok' : 'guarded'];
}

function credentialOf(cell: Cell): VerifiedCredential {
  if (cell.kind === 'none') return anonymous();
  const user = {
    id: 1,
    type: cell.kind === 'personal' ? 'human' : 'project_bot',
    admin: 0,
    external: 0,
    state: 'active',
  } as User;
  const homeId = cell.where === 'home' ? 1 : 2;
  const shapes = {
    personal: { kind: 'personal_access_token', holder: { type: 'user', user }, reach: { type: 'everything' } },
    group: { kind: 'group_access_token', holder: { type: 'user', user }, reach: { type: 'group', groupId: homeId } },
    project: {
      kind: 'project_access_token',
      holder: { type: 'user', user },
      reach: { type: 'project', projectId: homeId },
    },
    deploy: {
      kind: 'deploy_token',
      holder: { type: 'deploy_token', username: 'd' },
      reach: { type: 'project', projectId: homeId },
    },
  } as const;
  return proven({
    ...shapes[cell.kind],
    id: 1,
    familyId: 1,
    name: 'k',
    scopes: cell.scope === null ? [] : [cell.scope],
    impersonation: false,
    expiresAt: null,
    jobId: null,
    sudoBy: null,
    csrfProven: false,
  });
}

function outcomeOf({ status, body }: { readonly status: number; readonly body: string }): Outcome {
  if (status === 200) return 'ok';
  if (status === 401) return 'denied';
  if (status === 404) return 'hidden';
  return /this project\.?$/.test(body.trim()) ? 'role' : 'scope';
}

forEachEngine('the matrix of git over HTTP', (engine) => {
  let forge: Forge;
  before(async () => {
    forge = await openForge(await engine.open());
    await forge.services.db.tx((tx) => updateSettings(tx, { deploy_token_write_repository: true }, 0));
  });
  after(() => forge.close());

  const cells = cellsByHand();

  it('says of every cell written by hand what the tables say', () => {
    assert.ok(cells.length * 3 >= 60);
    for (const { cell, expected, line } of cells) assert.deepEqual(predict(cell), expected, line);
  });

  it('opens more with a higher role and a wider scope, never less, and nothing private to nobody', () => {
    const opens = (outcomes: readonly Outcome[]) => outcomes.map((outcome) => outcome === 'ok');
    for (const kind of KINDS)
      for (const scope of SCOPES)
        for (const visibility of VISIBILITIES)
          for (const where of ['home', 'away'] as const) {
            let before: readonly boolean[] = [false, false, false];
            for (const level of LEVELS) {
              const cell = { kind, scope, level, visibility, where };
              const now = opens(predict(cell));
              for (const [index, was] of before.entries()) assert.ok(!was || now[index], JSON.stringify(cell));
              before = now;
              const [clone, push, guarded] = predict(cell);
              assert.ok(guarded !== 'ok' || push === 'ok', 'no protected branch without the push right');
              if (scope.startsWith('read_')) assert.notEqual(push, 'ok');
              if (kind === 'none') assert.equal(push, 'denied');
              if (visibility === 'private' && (where === 'away' || kind === 'none') && kind !== 'personal')
                assert.equal(clone, 'denied');
              const all = opens(predict({ ...cell, scope: 'api' }));
              if (kind !== 'deploy')
                for (const [index, may] of now.entries()) assert.ok(!may || all[index], JSON.stringify(cell));
            }
          }
  });

  it('is what the server answers, cell by cell', async () => {
    const { world, services } = forge;
    const homeGroup = await world.group({ visibility: 'public' });
    const awayGroup = await world.group({ visibility: 'public' });
    const projects = new Map<string, Project>();
    for (const visibility of VISIBILITIES)
      for (const [where, group] of [
        ['home', homeGroup],
        ['away', awayGroup],
      ] as const) {
        const project = await forge.project(group, { visibility });
        const wish = { name: 'main', levels: { push: [{ accessLevel: 40 }], merge: [{ accessLevel: 40 }] } };
        await services.db.tx((tx) => insertProtection(tx, project.id, 'branch', wish, 0));
        assert.equal((await listProtections(services.db.read, project.id)).length, 1);
        projects.set(`${where} ${visibility}`, project);
      }
    let count = 0;
    for (const { cell, expected, line } of cells) {
      count += 1;
      const project = projects.get(`${cell.where} ${cell.visibility}`)!;
      const home = projects.get(`home ${cell.visibility}`)!;
      const secret = await keyFor(cell, home, homeGroup, `d${count}`);
      const ask = async (service: string) => {
        const headers: Record<string, string> = {};
        if (secret !== null)
          headers['authorization'] = `Basic ${Buffer.from(`d${count}:${secret}`).toString('base64')}`;
        const answer = await fetch(`${forge.url}/${project.full_path}.git/info/refs?service=git-${service}`, {
          headers,
        });
        return outcomeOf({ status: answer.status, body: await answer.text() });
      };
      const [clone, push] = [await ask('upload-pack'), await ask('receive-pack')];
      assert.deepEqual([clone, push], expected.slice(0, 2), line);
      assert.equal(push === 'ok' ? await pushToMain(project, secret!) : push, expected[2], line);
    }
  });

  async function keyFor(cell: Cell, home: Project, group: Namespace, username: string): Promise<string | null> {
    const { world } = forge;
    const scopes = cell.scope === null ? [] : [cell.scope];
    switch (cell.kind) {
      case 'none':
        return null;
      case 'deploy':
        return forge.key({ kind: 'deploy_token', projectId: home.id, scopes, username });
      case 'personal': {
        const user = await world.user();
        if (cell.level > 0) await world.member(user, { project: home }, cell.level);
        return forge.pat(user, ...scopes);
      }
      case 'project': {
        const bot = await world.user({ type: 'project_bot', bot_project_id: home.id });
        await world.member(bot, { project: home }, cell.level);
        return forge.key({ kind: 'project_access_token', userId: bot.id, projectId: home.id, scopes });
      }
      case 'group': {
        const bot = await world.user({ type: 'project_bot', bot_namespace_id: group.id });
        await world.member(bot, { group }, cell.level);
        return forge.key({ kind: 'group_access_token', userId: bot.id, groupId: group.id, scopes });
      }
    }
  }

  /** The question of a push's hook, without the half a second of a real push. */
  async function pushToMain(project: Project, secret: string): Promise<Outcome> {
    const { services } = forge;
    const verified = await services.verifier.token(new Secret(secret));
    assert.ok(verified.ok);
    const question = { action: 'repository:push', place: atProject(project.id) } as const;
    const allowed = await decide(services.db.read, services.clock, verified.value, question);
    assert.ok(allowed.ok);
    const head = (await services.repositories.must(project.repository_id!, ['rev-parse', 'main'])).toString().trim();
    const intended = await intendPush(services, {
      actor: { credential: verified.value, door: 'git-http', ip: null },
      action: 'repository:push',
      place: allowed.value.place,
      repositoryId: project.repository_id!,
      door: 'git',
      updates: [{ ref: 'refs/heads/main', oldId: head, newId: head }],
      options: [],
    });
    return intended.ok ? 'ok' : 'guarded';
  }
});

describe('the forms in which people type it', () => {
  let forge: Forge;
  before(async () => {
    forge = await openForge();
  });
  after(() => forge.close());

  it('clones with the token in the URL, from an askpass helper, as an extra header, and without .git', async () => {
    const { world } = forge;
    const user = await world.user();
    const project = await forge.project(await world.group());
    await world.member(user, { project }, 20);
    const token = await forge.pat(user, 'read_repository');
    const tree = await forge.workTree(false);
    const { writeFile } = await import('node:fs/promises');
    const helper = `${tree}/askpass.sh`;
    await writeFile(helper, `#!/bin/sh\ncase "$1" in Username*) echo someone;; *) echo ${token};; esac\n`, {
      mode: 0o755,
    });
    const basic = Buffer.from(`oauth2:${token}`).toString('base64');
    const forms: [string, Record<string, string>, string[]][] = [
      ['in the URL', {}, ['clone', '-q', forge.remote(`${project.full_path}.git`, 'oauth2', token)]],
      ['in the URL, without .git', {}, ['clone', '-q', forge.remote(project.full_path, 'x', token)]],
      ['askpass', { GIT_ASKPASS: helper }, ['clone', '-q', forge.remote(`${project.full_path}.git`)]],
      ['askpass, without .git', { GIT_ASKPASS: helper }, ['clone', '-q', forge.remote(project.full_path)]],
      [
        'header',
        {},
        [
          '-c',
          `http.extraHeader=Authorization: Basic ${basic}`,
          'clone',
          '-q',
          forge.remote(`${project.full_path}.git`),
        ],
      ],
      ['other letter case', {}, ['clone', '-q', forge.remote(`${project.full_path.toUpperCase()}.git`, 'x', token)]],
    ];
    for (const [index, [name, env, args]] of forms.entries()) {
      const cloned = await forge.gitWith(tree, env, ...args, `c${index}`);
      assert.equal(cloned.code, 0, `${name}: ${cloned.out}`);
    }
    const wrong = await forge.git(tree, 'clone', forge.remote(`${project.full_path}.git`, token, ''), 'wrong');
    assert.notEqual(wrong.code, 0);
    assert.match(wrong.out, /Authentication failed|could not read Password|terminal prompts disabled/);
  });
});
