// Holds that the documents tell the truth as far as a program can tell: the commands of the README exist, every setting and
// every option is described and no other, and links lead somewhere.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { COMMANDS } from '../../src/cli/help.ts';
import { EXIT } from '../../src/cli/terminal.ts';
import { SETTING_NAMES } from '../../src/config.ts';
import { ISSUED_KINDS } from '../../src/credentials/kinds.ts';
import { routes } from '../../src/doors/rest/routes/index.ts';
import { defaultSettings } from '../../src/settings/settings.ts';
import { expectNone, filesBelow, ROOT, readText } from './source-files.ts';

const readme = readText('README.md');
const settings = readText('docs/settings.md');
const cli = readText('docs/cli.md');

describe('the documents', () => {
  it('show the two commands, and package.json has them', () => {
    const { scripts } = JSON.parse(readText('package.json'));
    for (const command of ['npm ci && npm start', 'npm ci && npm test']) {
      assert.ok(readme.includes(command), `README.md does not show "${command}"`);
      assert.ok(scripts[command.split(' ').at(-1)!], `package.json has no script for "${command}"`);
    }
  });

  it('describe every setting, and no other', () => {
    const described = (text: string, name: string) => text.includes(`\`${name}\``);
    expectNone([
      ...SETTING_NAMES.filter((name) => !described(settings, `KEYWARD_${name}`)).map(
        (name) => `docs/settings.md does not describe KEYWARD_${name}`,
      ),
      ...Object.keys(defaultSettings)
        .filter((name) => !described(settings, name))
        .map((name) => `docs/settings.md does not describe the instance setting ${name}`),
      ...[...settings.matchAll(/`KEYWARD_([A-Z_]+)`/g)]
        .map((match) => match[1]!)
        .filter((name) => name !== 'CONFIG' && !(SETTING_NAMES as readonly string[]).includes(name))
        .map((name) => `docs/settings.md describes KEYWARD_${name}, which is no setting`),
    ]);
  });

  it('describe every command and option, and every exit code', () => {
    const problems: string[] = [];
    for (const command of COMMANDS) {
      const start = cli.indexOf(`## keyward ${command.name}\n`);
      if (start === -1) {
        problems.push(`docs/cli.md has no part "## keyward ${command.name}"`);
        continue;
      }
      const end = cli.indexOf('\n## ', start + 1);
      const part = cli.slice(start, end === -1 ? undefined : end);
      for (const option of Object.keys(command.options))
        if (option !== 'json' && !new RegExp(`--${option}\\b`).test(part))
          problems.push(`docs/cli.md, keyward ${command.name}: --${option} is missing`);
      for (const [, option] of part.matchAll(/--([a-z][a-z-]*)/g))
        if (!Object.hasOwn(command.options, option!) && option !== 'json' && option !== 'help')
          problems.push(`docs/cli.md, keyward ${command.name}: there is no option --${option}`);
    }
    for (const code of Object.values(EXIT))
      if (!cli.includes(`\n| ${code} |`)) problems.push(`docs/cli.md does not explain the exit code ${code}`);
    expectNone(problems);
  });

  it('name the eight kinds in the README', () => {
    for (const kind of ISSUED_KINDS) {
      const words = kind.replace('job_token', 'CI/CD job token').replaceAll('_', ' ');
      assert.ok(readme.includes(`| ${words} |`), `README.md: the table of kinds lacks "${words}"`);
    }
  });

  it('name only routes that exist', () => {
    const known = new Set(routes.map((route) => `${route.method} ${nameless(route.path)}`));
    const extensions = readText('docs/api-extensions.md');
    const named = [...extensions.matchAll(/`(GET|POST|PUT|DELETE) (?:\/api\/v4)?(\/[a-z_/:]+)`/g)];
    assert.ok(named.length > 5);
    expectNone(
      named
        .map(([, method, path]) => `${method} ${nameless(path!)}`)
        .filter((route) => !known.has(route))
        .map((route) => `docs/api-extensions.md names ${route}, which is no route`),
    );
  });

  it('link to files that are there', () => {
    for (const path of [
      'README.md',
      'ARCHITECTURE.md',
      'CONTRIBUTING.md',
      'docs/settings.md',
      'docs/cli.md',
      'docs/api-extensions.md',
      'docs/install.md',
      'docs/lfs.md',
      'docs/ssh.md',
    ])
      for (const [, target] of readText(path).matchAll(/\]\(([^)#:]+)\)/g))
        assert.ok(existsSync(join(ROOT, dirname(path), target!)), `${path} links to ${target}, which is not there`);
  });
});

describe('the REST routes', () => {
  it('all say what they are for and what they ask', () => {
    assert.ok(routes.length > 100, `${routes.length} routes were found`);
    expectNone(
      routes
        .filter((route) => route.summary.trim() === '' || !route.action)
        .map((route) => `${route.method} ${route.path}: a route needs an action and a summary`),
    );
  });

  it('appear each in a test', () => {
    const spoken = filesBelow('test')
      .filter((path) => /\.(ts|py)$/.test(path) && !path.startsWith('test/house/'))
      .map(readText)
      .join('\n');
    expectNone(
      routes
        .filter((route) => !fixedWords(route.path).every((word) => spoken.includes(word)))
        .map((route) => `${route.method} ${route.path}: no test speaks of it`),
    );
  });
});

/** A path without the names of its parameters. */
function nameless(path: string): string {
  return path.replace(/:[a-z_]+/g, ':');
}

/** The fixed words of a path: what any test that calls it must write. */
function fixedWords(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && !/^[:*]/.test(part));
}
