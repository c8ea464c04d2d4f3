// What becomes of a deleted user's traces: the list names every column that names a user, and carrying it out leaves none of
// what must go.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { deleteBot } from '../../src/credentials/bots.ts';
import { createBot } from '../../src/identity/bots.ts';
import { findMember } from '../../src/identity/member-store.ts';
import { ensureGhost } from '../../src/identity/new-user.ts';
import { findUser, findUserByUsername, usersToShow } from '../../src/identity/user-store.ts';
import { TRACES } from '../../src/identity/what-moves.ts';
import { forEachEngine } from '../support/engines.ts';
import { makeWorld } from '../support/world.ts';

/** Columns that sound as if they named a user but do not. */
const NO_USERS = new Set<string>([]);

/** `table.column` of every column of schema.ts that names a user. */
function userColumns(): string[] {
  const text = readFileSync(new URL('../../src/storage/schema.ts', import.meta.url), 'utf8');
  const tables = new Map<string, string>();
  for (const [, table, type] of /export interface Schema \{([^}]*)\}/.exec(text)![1]!.matchAll(/(\w+): (\w+);/g))
    tables.set(type!, table!);
  const found: string[] = [];
  for (const [, type, body] of text.matchAll(/export interface (\w+) \{\n([\s\S]*?)\n\}/g)) {
    const table = tables.get(type!);
    if (table === undefined) continue;
    for (const [, column] of body!.matchAll(/^ {2}(\w+):/gm))
      if (/(^|_)user_id$|^creator_id$|author.*_id$|^owner_id$/.test(column!)) found.push(`${table}.${column}`);
  }
  return found;
}

describe('the list of traces', () => {
  it('names every column that names a user, and no column that is not there', () => {
    const listed = [...new Set(TRACES.map(({ table, column }) => `${table}.${column}`))];
    const there = userColumns().filter((name) => !NO_USERS.has(name));
    assert.ok(there.length >= 12, 'the columns were found');
    assert.deepEqual([...listed].sort(), [...there].sort(), 'give it a row in src/identity/what-moves.ts');
  });
});

forEachEngine('bots', (engine) => {
  it('are members of their place without expiry, and are told from people by name, mail and type', async () => {
    const world = makeWorld(await engine.open());
    const { house } = world;
    const group = await world.group();
    const project = await world.project(group);
    const bot = await house.db.tx((tx) =>
      createBot(tx, house, {
        place: { type: 'project', project },
        name: 'deploy',
        level: 30,
        external: true,
        createdByUserId: null,
      }),
    );
    assert.match(bot.username, new RegExp(`^project_${project.id}_bot_[0-9a-f]{32}$`));
    assert.equal(bot.email, `${bot.username}@noreply.forge.example`);
    assert.equal(bot.type, 'project_bot');
    assert.equal(bot.external, 1);
    assert.equal(bot.password_digest, null);
    assert.equal(bot.can_create_group, 0);
    const place = { type: 'project', projectId: project.id, namespace: group } as const;
    const member = await findMember(house.db.read, place, bot.id, '2026-03-01');
    assert.equal(member?.access_level, 30);
    assert.equal(member?.expires_at, null);
  });

  it('leave their work to the Ghost User, and nothing that lets anybody in', async () => {
    const world = makeWorld(await engine.open());
    const { house } = world;
    const group = await world.group();
    const bot = await house.db.tx((tx) =>
      createBot(tx, house, {
        place: { type: 'group', group },
        name: 'release',
        level: 50,
        external: false,
        createdByUserId: null,
      }),
    );
    const project = await world.project(group, { creator_id: bot.id });
    const { credential, secret } = await world.issue({ kind: 'group_access_token', userId: bot.id, groupId: group.id });
    assert.equal((await world.verifier.token(secret)).ok, true);

    assert.equal(await house.db.tx((tx) => deleteBot(tx, house, bot.id)), true);
    assert.equal(await house.db.tx((tx) => deleteBot(tx, house, bot.id)), false, 'a second time is nothing');

    assert.equal((await world.verifier.token(secret)).ok, false);
    const key = await house.db.read
      .selectFrom('credentials')
      .selectAll()
      .where('id', '=', credential.id)
      .executeTakeFirst();
    assert.equal(key?.end_reason, 'holder_deleted');
    const ghost = await house.db.tx((tx) => ensureGhost(tx, house));
    const after = await house.db.read
      .selectFrom('projects')
      .selectAll()
      .where('id', '=', project.id)
      .executeTakeFirst();
    assert.equal(after?.creator_id, ghost.id);
    assert.equal(await findUser(house.db.read, bot.id), null);
    assert.equal(await findUserByUsername(house.db.read, bot.username), null);
    assert.equal((await usersToShow(house.db.read, [bot.id])).get(bot.id)?.username, 'ghost');
    const left = await house.db.read.selectFrom('members').selectAll().where('user_id', '=', bot.id).execute();
    assert.deepEqual(left, []);
    const mails = await house.db.read.selectFrom('user_emails').selectAll().where('user_id', '=', bot.id).execute();
    assert.deepEqual(mails, []);
  });

  it('share one Ghost User, however many ask for it at once', async () => {
    const world = makeWorld(await engine.open());
    const ghosts = await Promise.all(
      Array.from({ length: 4 }, () => world.house.db.tx((tx) => ensureGhost(tx, world.house))),
    );
    assert.equal(new Set(ghosts.map((ghost) => ghost.id)).size, 1);
    await assert.doesNotReject(world.house.db.tx((tx) => deleteBot(tx, world.house, ghosts[0]!.id)));
    assert.equal((await findUserByUsername(world.house.db.read, 'ghost'))?.type, 'ghost', 'nobody buries the ghost');
  });
});
