// Lesson R12 (CVE-2025-68944: a registry lost the token's scope on the way to its handler) and R18 (a restriction was forgotten on
// many routes, twice):
// 1. somebody writes a handler or calls a deed without asking for the decision;
// 2. or with the proof for another action, or with one that he made himself;
// 3. or he adds a kind of credential and forgets a table.
// None of it compiles.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ROOT } from '../house/source-files.ts';

const HEAD = `
import type { Allowed } from '${ROOT}src/access/allowed.ts';
import type { Kind } from '${ROOT}src/credentials/kinds.ts';
import { KINDS } from '${ROOT}src/credentials/kinds.ts';
import { kindSets } from '${ROOT}src/access/kind-sets.ts';
import { deleteProject } from '${ROOT}src/directory/project-changes.ts';
import { route, json } from '${ROOT}src/doors/rest/route.ts';
import { none } from '${ROOT}src/doors/rest/schema.ts';
declare const house: Parameters<typeof deleteProject>[0];
declare const actor: Parameters<typeof deleteProject>[1];
declare const good: Parameters<typeof deleteProject>[2];
declare const other: Allowed<'project:read'>;
declare const ninth: Record<Kind | 'ninth', never>;
export const used = [house, actor, good, other, ninth, KINDS, kindSets, deleteProject, route, json, none];
`;

describe('the compiler', () => {
  let folder: string;
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'keyward-types-'));
    await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
    await writeFile(join(folder, 'package.json'), '{"type":"module"}');
  });
  after(() => rm(folder, { recursive: true, force: true }));

  /** What the compiler says about the last lines of a file. */
  async function compile(lines: Record<string, string>): Promise<Map<string, boolean>> {
    const config = { extends: join(ROOT, 'tsconfig.json'), include: ['./*.ts'] };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(config));
    for (const [name, text] of Object.entries(lines)) await writeFile(join(folder, `${name}.ts`), `${HEAD}${text}\n`);
    const said = await new Promise<string>((resolve) => {
      execFile(join(ROOT, 'node_modules/.bin/tsc'), ['-p', folder, '--pretty', 'false'], (_error, stdout) =>
        resolve(stdout),
      );
    });
    return new Map(Object.keys(lines).map((name) => [name, said.includes(`${name}.ts(`)]));
  }

  test('takes the right proof, and refuses every way around it', async () => {
    const refused = await compile({
      right: 'export const a = () => deleteProject(house, actor, good);',
      without: 'export const a = () => deleteProject(house, actor);',
      other: 'export const a = () => deleteProject(house, actor, other);',
      forged:
        'export const a = () => deleteProject(house, actor, { action: good.action, place: good.place, credential: good.credential, asAdmin: true });',
      routed:
        "export const a = route({ method: 'GET', path: '/x', action: 'self:read', params: none, summary: 's', handler: () => json(1) });",
      actionless:
        "export const a = route({ method: 'GET', path: '/x', params: none, summary: 's', handler: () => json(1) });",
      unknown:
        "export const a = route({ method: 'GET', path: '/x', action: 'project:anything', params: none, summary: 's', handler: () => json(1) });",
      kind: 'export const a: Record<keyof typeof ninth, unknown> = KINDS;',
      cell: 'export const a: Record<keyof typeof ninth, boolean> = kindSets.everyone;',
    });
    assert.deepEqual(Object.fromEntries(refused), {
      right: false,
      without: true,
      other: true,
      forged: true,
      routed: false,
      actionless: true,
      unknown: true,
      kind: true,
      cell: true,
    });
  });
});
