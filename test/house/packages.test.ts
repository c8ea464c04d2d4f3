// Holds that `npm ci` works on every platform from an empty machine: the lock file names every optional package, also those of
// other platforms, which npm leaves out when they cannot be fetched where the lock is written.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { expectNone, readText } from './source-files.ts';

interface Package {
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const manifest: Package = JSON.parse(readText('package.json'));
const lock: { packages: Record<string, Package> } = JSON.parse(readText('package-lock.json'));

describe('the packages', () => {
  it('are locked for every platform', () => {
    const problems = Object.entries(lock.packages).flatMap(([folder, entry]) =>
      Object.keys(entry.optionalDependencies ?? {})
        .filter((name) => !lock.packages[`node_modules/${name}`] && !lock.packages[`${folder}/node_modules/${name}`])
        .map(
          (name) =>
            `package-lock.json lacks ${name}, an optional part of ${folder || 'this package'}: npm ci would refuse it`,
        ),
    );
    expectNone(problems);
  });

  it('are pinned exactly, in package.json as in the lock', () => {
    const wanted = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies };
    assert.ok(Object.keys(wanted).length > 10);
    for (const [name, version] of Object.entries(wanted)) {
      assert.match(version, /^\d+\.\d+\.\d+(-[\w.]+)?$/, `${name} is not pinned`);
      assert.equal(lock.packages[`node_modules/${name}`]?.version, version, `${name} differs from the lock`);
    }
  });
});
