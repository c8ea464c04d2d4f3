// The tree of namespaces: whatever is renamed, moved and deleted in whatever order, every path spells the names along its
// lineage, and no path belongs to two.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import {
  deleteSubtree,
  findNamespace,
  insertNamespace,
  isPathTaken,
  lockTrees,
  moveNamespace,
} from '../../src/identity/namespace-store.ts';
import { insertProject, moveProject } from '../../src/identity/project-store.ts';
import { lineageIds, type Namespace } from '../../src/identity/records.ts';
import { type Database, type Tx, UniqueViolation } from '../../src/storage/database.ts';
import { forEachEngine } from '../support/engines.ts';

const NOW = Date.UTC(2026, 2, 1);
const plain = { visibility: 'private', description: '', settings: '{}', created_at: NOW, updated_at: NOW } as const;

function addGroup(tx: Tx, parent: Namespace | null, path: string) {
  return insertNamespace(tx, parent, {
    ...plain,
    kind: 'group',
    owner_user_id: null,
    name: path,
    path,
    deleted_at: null,
  });
}

function addProject(tx: Tx, namespace: Namespace, path: string) {
  return insertProject(tx, namespace, {
    ...plain,
    name: path,
    path,
    default_branch: null,
    archived: 0,
    creator_id: null,
    forked_from_project_id: null,
    features: '{}',
    topics: '[]',
    last_activity_at: NOW,
    deleted_at: null,
  });
}

const living = (db: Database) =>
  db.list.selectFrom('namespaces').selectAll().where('deleted_at', 'is', null).orderBy('id').execute();

async function checkTree(db: Database): Promise<void> {
  const rows = await living(db);
  const byId = new Map(rows.map((row) => [row.id, row]));
  for (const row of rows) {
    const line = lineageIds(row.lineage);
    assert.equal(line.at(-1), row.id);
    assert.equal(line.at(-2) ?? null, row.parent_id);
    assert.equal(row.full_path, line.map((id) => byId.get(id)?.path).join('/'));
    assert.equal(row.full_path_lower, row.full_path.toLowerCase());
  }
  const projects = await db.list.selectFrom('projects').selectAll().where('deleted_at', 'is', null).execute();
  for (const project of projects) {
    assert.equal(project.full_path, `${byId.get(project.namespace_id)?.full_path}/${project.path}`);
    assert.equal(project.full_path_lower, project.full_path.toLowerCase());
  }
  const paths = [...rows, ...projects].map((row) => row.full_path_lower);
  assert.equal(new Set(paths).size, paths.length, 'no path belongs to two');
  const gone = await db.list
    .selectFrom('namespaces')
    .select('full_path_lower')
    .where('deleted_at', 'is not', null)
    .execute();
  assert.ok(
    gone.every((row) => row.full_path_lower === null),
    'deleted ones hold no path',
  );
}

const NAMES = ['a', 'B', 'c', 'D'];
const step = fc.record({
  what: fc.constantFrom('group', 'project', 'rename', 'move', 'move_project', 'delete'),
  at: fc.nat(50),
  to: fc.nat(50),
  name: fc.constantFrom(...NAMES),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

async function take(db: Database, { what, at, to, name }: Step): Promise<void> {
  const rows = await living(db);
  const pick = (index: number) => (rows.length === 0 ? null : (rows[index % (rows.length + 1)] ?? null));
  const [one, other] = [pick(at), pick(to)];
  await db.tx(async (tx) => {
    const ids = [one, other].filter((row) => row !== null).map((row) => row.id);
    const locked = new Map((await lockTrees(tx, ids)).map((row) => [row?.id, row]));
    const [source, target] = [locked.get(one?.id) ?? null, locked.get(other?.id) ?? null];
    const path = (parent: Namespace | null, segment: string) => (parent ? `${parent.full_path}/${segment}` : segment);
    if (what === 'group' && !(await isPathTaken(tx, path(source, name)))) await addGroup(tx, source, name);
    if (what === 'project' && source && !(await isPathTaken(tx, path(source, name))))
      await addProject(tx, source, name);
    if (what === 'rename' && source) {
      const parent = source.parent_id === null ? null : await findNamespace(tx, source.parent_id);
      const wish = path(parent, name);
      if (wish.toLowerCase() === source.full_path_lower || !(await isPathTaken(tx, wish)))
        await moveNamespace(tx, source, { parent, path: name, now: NOW });
    }
    if (what === 'move' && source && !target?.lineage.startsWith(source.lineage)) {
      if (!(await isPathTaken(tx, path(target, source.path))))
        await moveNamespace(tx, source, { parent: target, path: source.path, now: NOW });
    }
    if (what === 'move_project' && source && target) {
      const project = await tx
        .selectFrom('projects')
        .selectAll()
        .where('namespace_id', '=', source.id)
        .where('deleted_at', 'is', null)
        .executeTakeFirst();
      const names = await tx.selectFrom('projects').select('name').where('namespace_id', '=', target.id).execute();
      const clash = names.some((row) => row.name.toLowerCase() === project?.name.toLowerCase());
      if (project && !clash && !(await isPathTaken(tx, path(target, project.path))))
        await moveProject(tx, project, { namespace: target, path: project.path, now: NOW });
    }
    if (what === 'delete' && source && at % 4 === 0) await deleteSubtree(tx, source, NOW);
  });
}

forEachEngine('the tree of namespaces', (engine) => {
  it('keeps every path equal to the names along its lineage', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const db = await engine.open();
        try {
          for (const each of steps) await take(db, each);
          await checkTree(db);
        } finally {
          await db.close();
        }
      }),
      { numRuns: 8 },
    );
  });

  it('loses no child that is made while its ancestors are renamed', async () => {
    const db = await engine.open();
    const root = (await db.tx((tx) => addGroup(tx, null, 'root')))!;
    const middle = (await db.tx((tx) => addGroup(tx, root, 'middle')))!;
    const works: Promise<unknown>[] = [];
    for (let index = 0; index < 12; index += 1) {
      works.push(
        db.tx(async (tx) => {
          const [parent] = await lockTrees(tx, [middle.id]);
          await addGroup(tx, parent!, `child${index}`);
        }),
        db.tx(async (tx) => {
          const [group] = await lockTrees(tx, [root.id]);
          await moveNamespace(tx, group!, { parent: null, path: `root${index}`, now: NOW });
        }),
      );
    }
    await Promise.all(works);
    await checkTree(db);
    assert.equal((await living(db)).length, 14);
  });

  it('lets old paths of projects lead to them until somebody else takes the path', async () => {
    const db = await engine.open();
    const group = (await db.tx((tx) => addGroup(tx, null, 'Team')))!;
    const project = (await db.tx((tx) => addProject(tx, group, 'App')))!;
    await db.tx(async (tx) =>
      moveNamespace(tx, (await lockTrees(tx, [group.id]))[0]!, { parent: null, path: 'crew', now: NOW }),
    );
    const redirects = () => db.read.selectFrom('path_redirects').selectAll().execute();
    assert.deepEqual(
      (await redirects()).map((row) => [row.full_path_lower, row.project_id]),
      [['team/app', project.id]],
    );
    const again = (await db.tx((tx) => addGroup(tx, null, 'team')))!;
    await db.tx((tx) => addProject(tx, again, 'app'));
    assert.deepEqual(await redirects(), []);
  });

  it('gives one path to one of two who move there at once', async () => {
    const db = await engine.open();
    const groups = await Promise.all(['one', 'two'].map((path) => db.tx((tx) => addGroup(tx, null, path))));
    const outcomes = await Promise.allSettled(
      groups.map((group) =>
        db.tx(async (tx) => {
          const [locked] = await lockTrees(tx, [group!.id]);
          await moveNamespace(tx, locked!, { parent: null, path: 'same', now: NOW });
        }),
      ),
    );
    const lost = outcomes.filter((outcome) => outcome.status === 'rejected');
    assert.equal(lost.length, 1);
    assert.ok(lost[0]!.reason instanceof UniqueViolation);
    await checkTree(db);
  });
});
