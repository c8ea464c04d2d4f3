// A fork holds what its source held, by the same bytes on disk: they stay while either names them and go with the last of both,
// also when one is deleted at the very moment in which the other is made.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Allowed } from '../../src/access/allowed.ts';
import { decide } from '../../src/access/decide.ts';
import type { Project } from '../../src/identity/records.ts';
import { DAY } from '../../src/kernel/clock.ts';
import { randomHex } from '../../src/kernel/random.ts';
import type { Result } from '../../src/kernel/result.ts';
import { copyLfsObjects } from '../../src/repositories/lfs-objects.ts';
import { insertObject } from '../../src/repositories/lfs-store.ts';
import { dropLfs } from '../../src/repositories/lfs-task.ts';
import { insertBlob } from '../../src/storage/blob-store.ts';
import { type Lab, openLab } from '../lessons/lab.ts';

for (const engine of ['sqlite', 'postgres'] as const)
  describe(`LFS objects of forks (${engine})`, () => {
    let lab: Lab;
    before(async () => {
      lab = await openLab({ engine });
    });
    after(() => lab?.stop());

    async function git(folder: string, ...args: string[]): Promise<void> {
      const { code, out } = await lab.git(folder, ...args);
      assert.equal(code, 0, out);
    }

    /** Clones with git-lfs and gives the bytes of `a.bin`. */
    async function pulled(project: Pick<Project, 'full_path'>, token: string): Promise<Buffer> {
      const folder = await lab.folder();
      await git(folder, 'lfs', 'install', '--skip-repo');
      await git(folder, 'clone', '-q', lab.remote(project as Project, 'x', token), 'copy');
      return readFile(join(folder, 'copy', 'a.bin'));
    }

    const blobs = () => lab.server.services.db.read.selectFrom('blobs').select(['id', 'doomed_at']).execute();

    /** Lets days pass, with all that has to be done in them; a task may be under way already, and be late by one. */
    async function laterDays(): Promise<void> {
      for (let day = 0; day < 3; day++) {
        await lab.server.runTasks();
        lab.clock.advance(DAY);
      }
      await lab.server.runTasks();
    }

    it('are there in the fork, outlive the source, and go with the last that names them', async () => {
      const group = await lab.world.group();
      const user = await lab.world.user();
      await lab.world.member(user, { group }, 50);
      const source = await lab.project(group);
      const token = await lab.pat(user, 'api', 'write_repository');
      const tree = await lab.folder();
      await git(tree, 'clone', '-q', lab.remote(source, 'x', token), '.');
      await git(tree, 'lfs', 'install', '--local');
      await git(tree, 'lfs', 'track', '*.bin');
      const bytes = randomBytes(40_000);
      await writeFile(join(tree, 'a.bin'), bytes);
      await git(tree, 'add', '-A');
      await git(tree, 'commit', '-q', '-m', 'a large one');
      await git(tree, 'push', '-q');

      const before = (await blobs()).length;
      const body = { namespace_id: group.id, path: 'forked', name: 'forked' };
      const forked = await lab.api('POST', `/projects/${source.id}/fork`, { token, body });
      assert.equal(forked.status, 201);
      const fork = { full_path: forked.body.path_with_namespace };
      assert.deepEqual(await pulled(fork, token), bytes);
      assert.equal((await blobs()).length, before, 'no byte lies twice on disk');

      assert.equal((await lab.api('DELETE', `/projects/${source.id}`, { token })).status, 202);
      await laterDays();
      assert.deepEqual(await pulled(fork, token), bytes);

      assert.equal((await lab.api('DELETE', `/projects/${forked.body.id}`, { token })).status, 202);
      await laterDays();
      assert.equal((await blobs()).length, before - 1);
    });

    it('are never named and doomed at once, whoever is first', async () => {
      const { db, clock, ...rest } = lab.server.services;
      const house = { ...rest, db, clock };
      const group = await lab.world.group();
      const owner = await lab.world.user();
      await lab.world.member(owner, { group }, 50);
      const { credential } = await lab.world.issue({
        kind: 'personal_access_token',
        userId: owner.id,
        scopes: ['api'],
      });
      const verified = await house.verifier.byId(credential.id);
      assert.ok(verified.ok);
      for (let round = 0; round < 12; round++) {
        const [source, fork] = [await lab.project(group), await lab.project(group)];
        await db.tx(async (tx) => {
          for (let index = 0; index < 20; index++) {
            const [sha256, now] = [randomHex(32), clock.now()];
            const blobId = await insertBlob(tx, { key: randomHex(16), sha256, size: 1, now });
            await insertObject(tx, { repositoryId: source.repository_id!, oid: sha256, size: 1, blobId, now });
          }
        });
        const question = { action: 'project:fork', place: { type: 'project', ref: source.id } } as const;
        const allowed: Result<Allowed<'project:fork'>, unknown> = await decide(
          db.read,
          clock,
          verified.value,
          question,
        );
        assert.ok(allowed.ok);
        await Promise.all([
          copyLfsObjects(house, allowed.value, fork.repository_id!),
          dropLfs(house, source.repository_id!),
        ]);
        const named = await db.read
          .selectFrom('lfs_objects as o')
          .innerJoin('blobs as b', 'b.id', 'o.blob_id')
          .select(['b.id', 'b.doomed_at'])
          .where('o.repository_id', '=', fork.repository_id!)
          .execute();
        assert.deepEqual(
          named.filter((row) => row.doomed_at !== null),
          [],
        );
        // All or some of them, as it came; what the fork does not name is doomed.
        const alive = (await blobs()).filter((row) => row.doomed_at === null).map((row) => row.id);
        assert.deepEqual(new Set(named.map((row) => row.id)), new Set(alive));
        await dropLfs(house, fork.repository_id!);
      }
    });
  });
