// The environment in which every git runs, built from nothing: no variable of the server's, no configuration of the
// machine's or of the repository owner's choosing reaches git. It spawns nothing.

export type ConfigEntry = readonly [key: string, value: string];

// Refs of the forge's own that no client may see or push to (reference git-and-deploy 8.6).
const HIDDEN = ['refs/merge-requests', 'refs/keep-around', 'refs/pipelines', 'refs/environments', 'refs/keyward'];

const CONFIG: readonly ConfigEntry[] = [
  ['safe.directory', '*'],
  ['core.fsync', 'all'],
  ['core.fsyncMethod', 'fsync'],
  ['core.hooksPath', '/dev/null'],
  ['core.quotePath', 'false'],
  ['core.filesRefLockTimeout', '2000'],
  ['core.packedRefsTimeout', '5000'],
  ['core.multiPackIndex', 'true'],
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
  ['receive.autogc', 'false'],
  ['receive.fsckObjects', 'true'],
  // Harmless flaws of old histories that GitLab lets in too; everything dangerous stays an error.
  ['receive.fsck.badTimezone', 'ignore'],
  ['receive.fsck.missingSpaceBeforeDate', 'ignore'],
  ['receive.fsck.zeroPaddedFilemode', 'ignore'],
  ['receive.advertisePushOptions', 'true'],
  ['uploadpack.allowFilter', 'true'],
  ['uploadpack.allowAnySHA1InWant', 'true'],
  ['pack.threads', '1'],
  ['pack.windowMemory', '100m'],
  ['pack.deltaCacheSize', '64m'],
  ['pack.writeReverseIndex', 'true'],
  ['index.threads', '1'],
  ['protocol.allow', 'never'],
  ['submodule.recurse', 'false'],
  ['log.showSignature', 'false'],
  ...HIDDEN.map((prefix): ConfigEntry => ['transfer.hideRefs', prefix]),
];

/**
 * The whole environment of a git child. `config` is added last and so wins; `extra` are variables such as GIT_PROTOCOL
 * or GIT_INDEX_FILE. GIT_NO_REPLACE_OBJECTS keeps a pushed `refs/replace/*` from changing what others read, and
 * GIT_LITERAL_PATHSPECS keeps a file name from being read as a pattern.
 */
export function gitEnvironment(
  config: readonly ConfigEntry[] = [],
  extra: Readonly<Record<string, string>> = {},
): Record<string, string> {
  const environment: Record<string, string> = {
    PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
    LANG: 'C.UTF-8',
    LC_ALL: 'C.UTF-8',
    TZ: 'UTC',
    HOME: '/nonexistent',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_ATTR_NOSYSTEM: '1',
    GIT_TERMINAL_PROMPT: '0',
    GIT_OPTIONAL_LOCKS: '0',
    GIT_ALLOW_PROTOCOL: '',
    GIT_NO_REPLACE_OBJECTS: '1',
    GIT_NO_LAZY_FETCH: '1',
    GIT_LITERAL_PATHSPECS: '1',
    GIT_DEFAULT_REF_FORMAT: 'files',
  };
  const entries = [...CONFIG, ...config];
  environment['GIT_CONFIG_COUNT'] = String(entries.length);
  for (const [index, [key, value]] of entries.entries()) {
    environment[`GIT_CONFIG_KEY_${index}`] = key;
    environment[`GIT_CONFIG_VALUE_${index}`] = value;
  }
  return { ...environment, ...extra };
}
