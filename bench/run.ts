// `npm run bench [a b …]`: measures the figures that are named, or all, and writes them into bench/README.md. Figures that were not
// measured this time stay as they were.
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { isoTime, systemClock } from '../src/kernel/clock.ts';
import type { Figure } from './support/figure.ts';

interface Kept extends Figure {
  /** when, and what else the machine did: its load average over a minute, before and after */
  readonly at: string;
  readonly load: string;
  readonly seconds: number;
}

const FILES: Readonly<Record<string, string>> = {
  f: 'f-start',
  b: 'b-self-route',
  h: 'h-postgres',
  a: 'a-verify',
  g: 'g-lists',
  c: 'c-clone',
  d: 'c-clone',
  e: 'e-memory',
  i: 'i-ssh',
};
const kept = new URL('figures.json', import.meta.url);
const readme = new URL('README.md', import.meta.url);

function readKept(): Record<string, Kept> {
  try {
    return JSON.parse(readFileSync(kept, 'utf8')) as Record<string, Kept>;
  } catch {
    return {};
  }
}

function tableOf(rows: readonly (readonly string[])[]): string {
  const [head = [], ...rest] = rows.map((cells) => `| ${cells.join(' | ')} |`);
  return [head, `|${'---|'.repeat(rows[0]?.length ?? 1)}`, ...rest].join('\n');
}

function describe(figures: readonly Kept[]): string {
  const verdict = ({ met }: Kept) => (met === null ? '—' : met ? 'yes' : '**no**');
  const machine = `${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GiB`;
  const head = tableOf([
    ['', 'figure', 'goal', 'measured', 'met', 'load before, after'],
    ...figures.map((one) => [one.letter, one.title, one.goal, one.value, verdict(one), one.load]),
  ]);
  const parts = figures.map((one) =>
    [`### ${one.letter}. ${one.title}`, `${one.at}, ${one.seconds} s.`, tableOf(one.table), one.notes.join('\n')]
      .filter((part) => part !== '')
      .join('\n\n'),
  );
  return `Machine: ${machine}; Node.js ${process.version}; ${process.platform} ${process.arch}.\n\n${head}\n\n${parts.join('\n\n')}`;
}

const asked = process.argv.slice(2).filter((letter) => letter in FILES);
const letters = asked.length > 0 ? asked : Object.keys(FILES);
for (const file of new Set(letters.map((letter) => FILES[letter]!))) {
  const before = loadavg()[0]!.toFixed(1);
  const begin = performance.now();
  const { run } = (await import(`./${file}.ts`)) as { run(): Promise<Figure | Figure[]> };
  try {
    const figures = [await run()].flat();
    const seconds = Math.round((performance.now() - begin) / 1000);
    const all = readKept();
    for (const figure of figures) {
      const load = `${before}, ${loadavg()[0]!.toFixed(1)}`;
      all[figure.letter] = { ...figure, at: isoTime(systemClock.now()), load, seconds };
      process.stdout.write(`${figure.letter}  ${figure.title}\n   goal ${figure.goal}: ${figure.value}\n`);
      process.stdout.write(`${figure.table.map((row) => `     ${row.join('  |  ')}`).join('\n')}\n`);
    }
    writeFileSync(kept, `${JSON.stringify(all, null, 2)}\n`);
    const sorted = Object.values(all).sort((a, b) => (a.letter < b.letter ? -1 : 1));
    const text = readFileSync(readme, 'utf8');
    writeFileSync(
      readme,
      text.replace(/(<!-- figures -->\n)[\s\S]*$/, (_, mark: string) => `${mark}\n${describe(sorted)}\n`),
    );
  } catch (error) {
    process.stderr.write(`${file}: ${error instanceof Error ? error.stack : String(error)}\n`);
    process.exitCode = 1;
  }
}
process.exit();
