// Holds the direction of imports: doors -> rooms -> access -> credentials -> identity -> audit, tasks, settings -> storage ->
// kernel. What it finds it names, and says where the code should go instead.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { expectNone, sourcesBelow } from './source-files.ts';

// Lower may not import higher; equals only themselves and the edges below.
const LAYERS: readonly (readonly string[])[] = [
  ['kernel'],
  ['storage'],
  ['audit', 'tasks', 'settings', 'mail'],
  ['identity'],
  ['credentials'],
  ['access'],
  ['directory', 'keys', 'repositories', 'ci', 'registry', 'packages', 'releases', 'terraform'],
  ['doors'],
];
/** The few edges between rooms of one layer; together they have no circle. */
const EDGES: ReadonlySet<string> = new Set(['ci -> repositories', 'releases -> repositories', 'releases -> ci']);

const files = sourcesBelow('src');
const layerOf = (room: string): number => LAYERS.findIndex((layer) => layer.includes(room));

/** `src/access/judge.ts` -> `access`; files directly in src/ and the command line are the composition root and see everything. */
function roomOf(path: string): string | null {
  const room = /^src\/([^/]+)\//.exec(path)?.[1] ?? null;
  return room === 'cli' ? null : room;
}

function wrongDirection(from: string, to: string): string | null {
  const fromRoom = roomOf(from);
  const toRoom = roomOf(to);
  if (fromRoom === null || fromRoom === toRoom) return null;
  if (toRoom === null)
    return `${from} imports ${to}: only the composition root sees the composition root; hand it in as an argument`;
  if (layerOf(toRoom) < layerOf(fromRoom) || EDGES.has(`${fromRoom} -> ${toRoom}`)) return null;
  if (layerOf(toRoom) === layerOf(fromRoom))
    return `${from} imports ${to}: rooms of one layer do not know each other; let the door or server.ts bring them together, or move what both need down to access/, credentials/ or identity/`;
  return `${from} imports ${to}: ${fromRoom}/ lies below ${toRoom}/; move the code up to ${toRoom}/, or the part that ${fromRoom}/ needs down into ${fromRoom}/`;
}

describe('the house', () => {
  it('knows every folder of src', () => {
    const rooms = new Set(files.map((file) => roomOf(file.path)).filter((room) => room !== null));
    expectNone(
      [...rooms]
        .filter((room) => layerOf(room) === -1)
        .map(
          (room) => `src/${room}/ has no layer: give it its place in test/house/imports.test.ts and ARCHITECTURE.md`,
        ),
    );
  });

  it('imports run one way', () => {
    let seen = 0;
    const problems: string[] = [];
    for (const file of files)
      for (const { file: target } of file.imports) {
        if (target === null) continue;
        seen += 1;
        const problem = wrongDirection(file.path, target);
        if (problem) problems.push(problem);
      }
    assert.ok(seen > 100, 'the imports were found');
    expectNone(problems);
  });

  it('a door never imports another door', () => {
    const doorOf = (path: string) => /^src\/doors\/([^/]+)\//.exec(path)?.[1] ?? null;
    const problems: string[] = [];
    for (const file of files) {
      const from = doorOf(file.path);
      if (from === null) continue;
      for (const { file: target } of file.imports) {
        const to = target === null ? null : doorOf(target);
        if (to !== null && to !== from && !(to === 'http' && from !== 'http'))
          problems.push(`${file.path} imports ${target}: what two doors share goes to src/doors/http, or down a layer`);
      }
    }
    expectNone(problems);
  });

  it('only server.ts imports what runs without a proof (*-task.ts)', () => {
    const problems = files.flatMap((file) =>
      file.path === 'src/server.ts' || file.path.endsWith('-task.ts')
        ? []
        : file.imports
            .filter(({ file: target }) => target?.endsWith('-task.ts'))
            .map(
              ({ file: target }) =>
                `${file.path} imports ${target}: housekeeping is wired in src/server.ts; shared code goes to a file of its own that asks for a proof`,
            ),
    );
    expectNone(problems);
  });

  it('imports its own files with their ending, and no test from the program', () => {
    const problems = files.flatMap((file) =>
      file.imports
        .filter(
          ({ file: target }) =>
            target !== null && target !== 'package.json' && (!target.endsWith('.ts') || !target.startsWith('src/')),
        )
        .map(({ from }) => `${file.path} imports ${from}: src/ imports only src/, by the file's whole name`),
    );
    expectNone(problems);
  });
});
