// Every cell of reference git-and-deploy 11: who may move which ref, and what he is told.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { matchesName, type Protection, type ProtectionEntry } from '../../src/access/protections.ts';
import {
  judgeRefUpdate,
  mayUnprotect,
  type RefActor,
  type RefFacts,
  type RefUpdate,
} from '../../src/access/ref-rules.ts';

const FORBIDDEN_PUSH = 'You are not allowed to push code to protected branches on this project.';
const FORBIDDEN_FORCE = 'You are not allowed to force push code to a protected branch on this project.';
const NO_PUSH = 'You are not allowed to push code to this project.';

const entry = (values: Partial<ProtectionEntry>): ProtectionEntry => ({
  id: 1,
  accessLevel: null,
  userId: null,
  groupId: null,
  deployKeyId: null,
  ...values,
});
const level = (accessLevel: number) => [entry({ accessLevel })];

function rule(
  name: string,
  values: { push?: ProtectionEntry[]; merge?: ProtectionEntry[]; force?: boolean } = {},
): Protection {
  return {
    id: 1,
    type: 'branch',
    name,
    allowForcePush: values.force ?? false,
    codeOwnerApprovalRequired: false,
    levels: { push: values.push ?? level(40), merge: values.merge ?? level(40), unprotect: [], create: [] },
  };
}
function tagRule(name: string, create: ProtectionEntry[] = level(40)): Protection {
  return { ...rule(name), type: 'tag', levels: { push: [], merge: [], unprotect: [], create } };
}

const user = (held: number, values: Partial<Extract<RefActor, { type: 'user' }>> = {}): RefActor => ({
  type: 'user',
  userId: 7,
  level: held,
  isAdmin: false,
  groupIds: [],
  ...values,
});
const key = (values: Partial<Extract<RefActor, { type: 'deploy_key' }>> = {}): RefActor => ({
  type: 'deploy_key',
  keyId: 5,
  canPush: true,
  creatorLevel: 40,
  creatorCanRead: true,
  ...values,
});
const TOKEN: RefActor = { type: 'deploy_token' };

function facts(actor: RefActor, values: Partial<RefFacts> = {}): RefFacts {
  const mayPush =
    actor.type === 'user'
      ? actor.level >= 30 || actor.isAdmin
      : actor.type === 'deploy_token' || actor.creatorLevel >= 30;
  return {
    actor,
    mayPush,
    protections: [],
    defaultBranch: 'main',
    empty: false,
    defaultBranchProtection: 2,
    door: 'git',
    projectPath: 'g/p',
    membersUrl: 'http://forge/g/p/-/project_members',
    ...values,
  };
}
const move = (ref: string, kind: RefUpdate['kind'] = 'update', values: Partial<RefUpdate> = {}): RefUpdate => ({
  ref,
  kind,
  forced: false,
  inProtectedBranch: false,
  ...values,
});
const said = (given: RefFacts, update: RefUpdate): string | null => judgeRefUpdate(given, update)?.message ?? null;

describe('names of protections', () => {
  it('match exactly, or with stars that also match slashes, in the letter case given', () => {
    const cells: [string, string, boolean][] = [
      ['main', 'main', true],
      ['main', 'Main', false],
      ['main', 'main2', false],
      ['*', 'a/b', true],
      ['*-stable', 'x/1-stable', true],
      ['*-stable', '-stable', true],
      ['*-stable', '1-stable-x', false],
      ['release/*', 'release/1.0', true],
      ['release/*', 'release', false],
      ['a*a', 'a', false],
      ['a*a', 'aa', true],
      ['a*b*c', 'a-b-c', true],
      ['a*b*c', 'acb', false],
      ['a.c', 'abc', false],
    ];
    for (const [pattern, name, expected] of cells)
      assert.equal(matchesName(pattern, name), expected, `${pattern} ${name}`);
    const started = performance.now();
    matchesName(`${'*a'.repeat(2000)}*b`, 'a'.repeat(5000));
    assert.ok(performance.now() - started < 500, 'a pattern made to take long does not');
  });
});

describe('branches', () => {
  it('may be moved, made and removed by Developers where nothing protects them', () => {
    for (const kind of ['create', 'update', 'delete'] as const)
      for (const [actor, allowed] of [
        [user(20), false],
        [user(30), true],
        [user(40), true],
        [user(0, { isAdmin: true }), true],
        [TOKEN, true],
        [key(), true],
        [key({ canPush: false }), false],
        [key({ creatorLevel: 20 }), false],
      ] as const)
        assert.equal(
          said(facts(actor), move('refs/heads/topic', kind, { forced: kind === 'update' })),
          allowed ? null : NO_PUSH,
        );
  });

  it('are pushed by whom an entry of the rule admits, and the most permissive rule wins', () => {
    const cells: [RefActor, Protection[], boolean][] = [
      [user(30), [rule('main')], false],
      [user(40), [rule('main')], true],
      [user(50), [rule('main')], true],
      [user(30), [rule('main', { push: level(30) })], true],
      [user(20), [rule('main', { push: level(30) })], false],
      [user(50), [rule('main', { push: level(0) })], false],
      [user(50, { isAdmin: true }), [rule('main', { push: level(0) })], false],
      [user(0, { isAdmin: true }), [rule('main')], false],
      [user(0, { isAdmin: true }), [rule('main', { push: level(60) })], true],
      [user(50), [rule('main', { push: level(60) })], false],
      [user(50), [rule('main', { push: [] })], false],
      [user(30), [rule('main', { push: [entry({ userId: 7 })] })], true],
      [user(30), [rule('main', { push: [entry({ userId: 8 })] })], false],
      [user(40), [rule('main', { push: [entry({ userId: 8, accessLevel: 40 })] })], false],
      [user(30, { groupIds: [3] }), [rule('main', { push: [entry({ groupId: 3 })] })], true],
      [user(30, { groupIds: [4] }), [rule('main', { push: [entry({ groupId: 3 })] })], false],
      [user(20, { groupIds: [3] }), [rule('main', { push: [entry({ groupId: 3 })] })], false],
      [user(30), [rule('main', { push: [...level(40), entry({ userId: 7 })] })], true],
      [user(30), [rule('main'), rule('m*', { push: level(30) })], true],
      [user(30), [rule('m*', { push: level(0) }), rule('*n', { push: level(30) })], true],
      [user(30), [rule('other', { push: level(30) }), rule('main')], false],
      [TOKEN, [rule('main', { push: level(30) })], false],
      [key(), [rule('main')], true],
      [key({ creatorLevel: 30 }), [rule('main')], false],
      [key({ canPush: false }), [rule('main')], false],
      [key({ creatorLevel: 0 }), [rule('main', { push: [entry({ deployKeyId: 5 })] })], true],
      [key({ creatorLevel: 0, creatorCanRead: false }), [rule('main', { push: [entry({ deployKeyId: 5 })] })], false],
      [key({ canPush: false }), [rule('main', { push: [entry({ deployKeyId: 5 })] })], false],
      [key(), [rule('main', { push: [entry({ deployKeyId: 6 })] })], false],
      // A rule speaks for the key that it names, not for the key's creator (security-lessons R45).
      [user(50), [rule('main', { push: [entry({ deployKeyId: 5 })] })], false],
    ];
    for (const [index, [actor, protections, allowed]] of cells.entries())
      assert.equal(
        said(facts(actor, { protections }), move('refs/heads/main')),
        allowed ? null : FORBIDDEN_PUSH,
        `cell ${index}`,
      );
  });

  it('are force-pushed only with the push right and a rule that allows force', () => {
    const forced = move('refs/heads/main', 'update', { forced: true });
    assert.equal(said(facts(user(50), { protections: [rule('main')] }), forced), FORBIDDEN_FORCE);
    assert.equal(said(facts(user(40), { protections: [rule('main', { force: true })] }), forced), null);
    assert.equal(said(facts(user(30), { protections: [rule('main', { force: true })] }), forced), FORBIDDEN_PUSH);
    assert.equal(said(facts(user(40), { protections: [rule('main'), rule('m*', { force: true })] }), forced), null);
  });

  it('that are protected are deleted by Maintainers, and never by git', () => {
    const protections = [rule('main'), rule('rel')];
    const gone = move('refs/heads/rel', 'delete');
    const low =
      'You are not allowed to delete protected branches from this project. Only a project maintainer or owner can delete a protected branch.';
    assert.equal(said(facts(user(30), { protections }), gone), low);
    assert.equal(said(facts(TOKEN, { protections }), gone), low);
    assert.equal(
      said(facts(user(40), { protections }), gone),
      'You can only delete protected branches using the web interface.',
    );
    assert.equal(said(facts(user(40), { protections, door: 'web' }), gone), null);
    assert.equal(said(facts(user(30), { protections, door: 'web' }), gone), low);
    const main = move('refs/heads/main', 'delete');
    for (const door of ['git', 'web'] as const)
      assert.equal(
        said(facts(user(50), { protections, door }), main),
        'The default branch of a project cannot be deleted.',
      );
  });

  it('that match a rule are made by who may push, else by who may merge, over the web, from a protected commit', () => {
    const create = (values: Partial<RefUpdate> = {}) => move('refs/heads/rel', 'create', values);
    const mergeOnly = [rule('rel', { push: level(0), merge: level(30) })];
    assert.equal(said(facts(user(40), { protections: [rule('rel')] }), create()), null);
    assert.equal(
      said(facts(user(30), { protections: [rule('rel')] }), create()),
      'You are not allowed to create protected branches on this project.',
    );
    assert.equal(
      said(facts(user(30), { protections: mergeOnly, door: 'web' }), create()),
      'You can only use an existing protected branch ref as the basis of a new protected branch.',
    );
    assert.equal(
      said(facts(user(30), { protections: mergeOnly }), create({ inProtectedBranch: true })),
      'You can only create protected branches using the web interface and API.',
    );
    assert.equal(
      said(facts(user(30), { protections: mergeOnly, door: 'web' }), create({ inProtectedBranch: true })),
      null,
    );
  });

  it('may not be named like a commit or like nothing git would name, but such a branch may be deleted', () => {
    const sha = 'a'.repeat(40);
    for (const name of [sha, `${sha}-x`, 'B'.repeat(64)]) {
      const text = 'You cannot create a branch with a SHA-1 or SHA-256 branch name.';
      assert.equal(said(facts(user(50)), move(`refs/heads/${name}`, 'create')), text);
      assert.equal(said(facts(user(50)), move(`refs/heads/${name}`, 'delete')), null);
    }
    for (const name of [
      '-x',
      '-',
      'a..b',
      'a b',
      'a\nb',
      'a~1',
      'HEAD',
      '@',
      'refs/heads/x',
      'x.lock',
      'a@{b',
      'a\u0000b',
    ]) {
      const text = 'You cannot create a branch with an invalid name.';
      assert.equal(said(facts(user(50)), move(`refs/heads/${name}`, 'create')), text, name);
      assert.equal(said(facts(user(50)), move(`refs/heads/${name}`, 'delete')), null, name);
    }
  });

  it('of an empty repository are pushed first as the setting says', () => {
    const first = move('refs/heads/anything', 'create');
    const cells: [number, RefActor, boolean][] = [
      [0, user(30), true],
      [1, user(30), true],
      [2, user(30), false],
      [2, user(40), true],
      [2, user(0, { isAdmin: true }), true],
      [2, key(), true],
      [2, key({ creatorLevel: 30 }), false],
      [2, TOKEN, false],
      [3, user(30), false],
      [3, user(40), true],
      [4, user(30), true],
      [4, user(20), false],
    ];
    for (const [defaultBranchProtection, actor, allowed] of cells) {
      const refusal = judgeRefUpdate(facts(actor, { empty: true, defaultBranchProtection }), first);
      assert.equal(refusal === null, allowed, `setting ${defaultBranchProtection} ${JSON.stringify(actor)}`);
    }
    const text = said(facts(user(30), { empty: true }), first);
    assert.equal(
      text,
      'A default branch (e.g. main) does not yet exist for g/p\nAsk a project Owner or Maintainer to create a default branch:\n\n  http://forge/g/p/-/project_members\n',
    );
    const main = move('refs/heads/main', 'create');
    const ruled = { empty: true, protections: [rule('main')], defaultBranchProtection: 4 };
    assert.equal(said(facts(user(30), ruled), main), null);
    const noOne = { empty: true, protections: [rule('main', { push: level(0) })] };
    assert.notEqual(said(facts(user(50, { isAdmin: true }), { ...noOne, defaultBranchProtection: 4 }), main), null);
  });
});

describe('tags', () => {
  const ref = 'refs/tags/v1';
  it('without a rule are made, moved and removed by Developers', () => {
    for (const kind of ['create', 'update', 'delete'] as const) {
      assert.equal(said(facts(user(30)), move(ref, kind)), null);
      const text = kind === 'create' ? NO_PUSH : 'You are not allowed to change existing tags on this project.';
      assert.equal(said(facts(user(20)), move(ref, kind)), text);
    }
  });

  it('that a rule protects are made by whom it admits, never moved, and deleted by Maintainers over the web', () => {
    const protections = [tagRule('v*')];
    const no = 'You are not allowed to create this tag as it is protected.';
    assert.equal(said(facts(user(30), { protections }), move(ref, 'create')), no);
    assert.equal(said(facts(TOKEN, { protections }), move(ref, 'create')), no);
    assert.equal(said(facts(user(40), { protections }), move(ref, 'create')), null);
    assert.equal(said(facts(key(), { protections }), move(ref, 'create')), null);
    assert.equal(said(facts(user(50), { protections: [tagRule('v*', level(0))] }), move(ref, 'create')), no);
    assert.equal(
      said(facts(user(30), { protections: [tagRule('v*', [entry({ userId: 7 })])] }), move(ref, 'create')),
      null,
    );
    assert.equal(said(facts(user(50), { protections }), move(ref, 'update')), 'Protected tags cannot be updated.');
    assert.equal(
      said(facts(user(30), { protections }), move(ref, 'delete')),
      'You are not allowed to delete protected tags from this project. Only a project maintainer or owner can delete a protected tag.',
    );
    assert.equal(
      said(facts(user(40), { protections }), move(ref, 'delete')),
      'You can only delete protected tags using the web interface.',
    );
    assert.equal(said(facts(user(40), { protections, door: 'web' }), move(ref, 'delete')), null);
    // A rule for branches says nothing about a tag of that name.
    assert.equal(said(facts(user(30), { protections: [rule('v1', { push: level(0) })] }), move(ref, 'create')), null);
  });

  it('may not take the name of the default branch, of a commit, or of nothing', () => {
    assert.equal(
      said(facts(user(50)), move('refs/tags/main', 'create')),
      'You cannot use default branch name to create a tag',
    );
    assert.equal(
      said(facts(user(50)), move(`refs/tags/${'0'.repeat(40)}`, 'create')),
      'You cannot create a tag with a SHA-1 or SHA-256 tag name.',
    );
    assert.equal(
      said(facts(user(50)), move('refs/tags/-x', 'create')),
      'You cannot create a tag with a prohibited pattern.',
    );
    assert.equal(said(facts(user(50)), move('refs/tags/-x', 'delete')), null);
  });
});

describe('other refs and taking a rule away', () => {
  it('lets who may push move any other ref', () => {
    assert.equal(said(facts(user(30)), move('refs/notes/commits', 'create')), null);
    assert.equal(said(facts(user(20)), move('refs/notes/commits', 'create')), NO_PUSH);
  });

  it('lets every Maintainer unprotect, unless the rule names who may', () => {
    const open = rule('main');
    const closed: Protection = { ...open, levels: { ...open.levels, unprotect: [entry({ userId: 8 })] } };
    assert.equal(mayUnprotect(facts(user(40)), open), true);
    assert.equal(mayUnprotect(facts(user(40)), closed), false);
    assert.equal(mayUnprotect(facts(user(40, { userId: 8 })), closed), true);
  });
});
