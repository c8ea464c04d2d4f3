// Reads the source as text for the tests of the house: which files there are, what they import, what their code says without
// its comments. It judges nothing.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The folder of package.json. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

export interface SourceFile {
  /** relative to the root, such as `src/kernel/clock.ts` */
  readonly path: string;
  readonly text: string;
  /** the text without comments; strings stay */
  readonly code: string;
  readonly imports: readonly Import[];
}

export interface Import {
  /** as written */
  readonly from: string;
  /** relative to the root when it is a file of ours, else null */
  readonly file: string | null;
  /** the imported names, `import type` included */
  readonly names: readonly string[];
}

const IMPORT =
  /^\s*(?:import|export)\s+(?:type\s+)?([\s\S]*?)\s*from\s+'([^']+)';|import\(\s*'([^']+)'\s*\)|^\s*import\s+'([^']+)';/gm;

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|[\s;{}(,])\/\/[^\n]*/g, '$1');
}

function importsOf(path: string, code: string): Import[] {
  return [...code.matchAll(IMPORT)].map((match) => {
    const from = match[2] ?? match[3] ?? match[4] ?? '';
    const names = (match[1] ?? '').replace(/[{}]/g, ' ').split(',');
    return {
      from,
      file: from.startsWith('.') ? normalize(join(dirname(path), from)) : null,
      names: names
        .map(
          (name) =>
            name
              .trim()
              .replace(/^type\s+/, '')
              .split(/\s+as\s+/)[0]!,
        )
        .filter(Boolean),
    };
  });
}

function walk(folder: string, found: string[]): string[] {
  for (const name of readdirSync(folder).sort()) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) walk(path, found);
    else found.push(path);
  }
  return found;
}

/** All files below `folder` (relative to the root), as paths relative to the root. */
export function filesBelow(folder: string): string[] {
  return walk(join(ROOT, folder), []).map((path) => relative(ROOT, path));
}

/** All TypeScript files below `folder`. */
export function sourcesBelow(folder: string): SourceFile[] {
  return filesBelow(folder)
    .filter((path) => path.endsWith('.ts'))
    .map((path) => {
      const text = readFileSync(join(ROOT, path), 'utf8');
      const code = withoutComments(text);
      return { path, text, code, imports: importsOf(path, code) };
    });
}

/** The text of one file, by its path relative to the root. */
export function readText(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** Fails with all `problems`, one a line. */
export function expectNone(problems: readonly string[]): void {
  if (problems.length > 0) throw new Error(`\n${problems.join('\n')}`);
}
