// What a process needs to know before it can start: one typed object from the environment and keyward.toml. The environment
// wins. It opens nothing and starts nothing; what administrators change while the server runs is in settings/.
import { existsSync, readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { join, resolve } from 'node:path';
import { parse } from 'smol-toml';
import { isAcceptableGivenToken } from './credentials/token-text.ts';
import { isEmail } from './kernel/names.ts';
import { Secret } from './kernel/secret.ts';

export interface Address {
  /** a host name or IP address, without brackets */
  readonly host: string;
  /** 0 lets the system choose */
  readonly port: number;
}

export interface Config {
  /** absolute path of the folder with all that must be kept */
  readonly data: string;
  /** the address that people use, without a trailing slash; null: derived from `listen` once it is bound */
  readonly url: string | null;
  readonly listen: Address;
  /** paths of PEM files; null: plain HTTP */
  readonly tls: { readonly cert: string; readonly key: string } | null;
  /** addresses and networks whose `X-Forwarded-*` count */
  readonly trustedProxies: readonly string[];
  /** null: SSH is off */
  readonly sshListen: Address | null;
  readonly sshUrl: string | null;
  readonly registryUrl: string | null;
  /** `sqlite:` or `postgres:` URL; it may carry a password */
  readonly databaseUrl: Secret;
  /** the folder of the instance keys */
  readonly keys: string;
  readonly smtpUrl: Secret | null;
  readonly mailFrom: string | null;
  readonly rootPassword: Secret | null;
  readonly rootToken: Secret | null;
  /** sentences for the log: settings that were read but look wrong */
  readonly warnings: readonly string[];
}

/** Every setting by its name without the prefix `KEYWARD_`: what docs/settings.md describes and the only keys of keyward.toml. */
export const SETTING_NAMES = [
  'DATA',
  'URL',
  'LISTEN',
  'TLS_CERT',
  'TLS_KEY',
  'TRUSTED_PROXIES',
  'SSH_LISTEN',
  'SSH_URL',
  'REGISTRY_URL',
  'DATABASE_URL',
  'BLOBS',
  'KEYS',
  'SMTP_URL',
  'MAIL_FROM',
  'RUNNER',
  'ROOT_PASSWORD',
  'ROOT_TOKEN',
] as const;
export type SettingName = (typeof SETTING_NAMES)[number];

/** The settings are wrong; one sentence each, naming the setting and never its value where that may be secret. */
export class ConfigError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(problems.join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

type Environment = Readonly<Record<string, string | undefined>>;
type Texts = Partial<Record<SettingName, string>>;

/**
 * Reads the settings. `KEYWARD_CONFIG` names the file, else `keyward.toml` in `folder`, else in the data folder.
 * Throws ConfigError with all that is wrong at once.
 */
export function readConfig(env: Environment, folder: string): Config {
  const problems: string[] = [];
  const warnings = unknownVariables(env);
  const texts = readTexts(env, folder, problems);
  const config = { ...interpret(texts, folder, problems), warnings };
  if (problems.length > 0) throw new ConfigError(problems);
  return config;
}

function isSettingName(text: string): text is SettingName {
  return (SETTING_NAMES as readonly string[]).includes(text);
}

// Names that other parts of the program or its tests use; a typing mistake in any other one should not pass in silence.
const NOT_SETTINGS = /^KEYWARD_(CONFIG|LAUNCHED|NODE|HOOK|SOCKET|NONCE|TEST_.*|PUSH_.*)$/;

function unknownVariables(env: Environment): string[] {
  return Object.keys(env)
    .filter((name) => name.startsWith('KEYWARD_') && !isSettingName(name.slice(8)) && !NOT_SETTINGS.test(name))
    .map((name) => `${name} is set, but there is no such setting`);
}

function readTexts(env: Environment, folder: string, problems: string[]): Texts {
  const texts: Texts = {};
  const path = configFile(env, folder, problems);
  if (path !== null) Object.assign(texts, readToml(path, problems));
  for (const name of SETTING_NAMES) {
    const value = env[`KEYWARD_${name}`];
    if (value !== undefined && value !== '') texts[name] = value;
  }
  return texts;
}

function configFile(env: Environment, folder: string, problems: string[]): string | null {
  const named = env['KEYWARD_CONFIG'];
  if (named) {
    const path = resolve(folder, named);
    if (existsSync(path)) return path;
    problems.push(`KEYWARD_CONFIG: there is no file ${path}`);
    return null;
  }
  const places = [folder, resolve(folder, env['KEYWARD_DATA'] || 'data')];
  return places.map((place) => join(place, 'keyward.toml')).find((path) => existsSync(path)) ?? null;
}

function readToml(path: string, problems: string[]): Texts {
  const texts: Texts = {};
  let table: Record<string, unknown>;
  try {
    table = parse(readFileSync(path, 'utf8'));
  } catch (error) {
    // The parser quotes the line, which may hold a password: only its place is said.
    const line = (error as { line?: number }).line;
    problems.push(`${path}${line ? ` line ${line}` : ''}: this is not TOML, or it cannot be read`);
    return texts;
  }
  for (const [key, value] of Object.entries(table)) {
    const name = key.toUpperCase();
    if (!isSettingName(name) || key !== key.toLowerCase()) problems.push(`${path}: there is no setting "${key}"`);
    else if (Array.isArray(value) && value.every((item) => typeof item === 'string')) texts[name] = value.join(',');
    else if (typeof value === 'boolean') texts[name] = value ? 'on' : 'off';
    else if (typeof value === 'string') texts[name] = value;
    else problems.push(`${path}: ${key} must be a string in quotes`);
  }
  return texts;
}

function interpret(texts: Texts, folder: string, problems: string[]): Omit<Config, 'warnings'> {
  const say = (name: SettingName, rule: string): null => {
    problems.push(`KEYWARD_${name} ${rule}`);
    return null;
  };
  const secret = (name: SettingName) => (texts[name] === undefined ? null : new Secret(texts[name]));
  const data = resolve(folder, texts.DATA ?? 'data');

  if (texts.BLOBS !== undefined) say('BLOBS', 'is not available yet: files are kept in the data folder');
  if (texts.RUNNER !== undefined && texts.RUNNER !== 'off')
    say('RUNNER', 'can only be off: this release has no built-in runner');
  const database = texts.DATABASE_URL ?? `sqlite:${join(data, 'keyward.db')}`;
  if (!/^(sqlite:|postgres(ql)?:\/\/)/.test(database)) say('DATABASE_URL', 'must begin with postgres://');
  const smtpUrl = secret('SMTP_URL');
  if (smtpUrl && !/^smtps?:\/\/[^\s]+$/.test(smtpUrl.reveal())) say('SMTP_URL', 'must begin with smtp:// or smtps://');
  const mailFrom = texts.MAIL_FROM ?? null;
  if (mailFrom !== null && !isMailbox(mailFrom)) say('MAIL_FROM', 'must be an address such as keyward@example.com');
  if (smtpUrl && mailFrom === null) say('MAIL_FROM', 'must be set together with KEYWARD_SMTP_URL');
  const rootPassword = secret('ROOT_PASSWORD');
  if (rootPassword && rootPassword.reveal().length < 8) say('ROOT_PASSWORD', 'must have at least 8 characters');
  const rootToken = secret('ROOT_TOKEN');
  if (rootToken && !isAcceptableGivenToken(rootToken.reveal()))
    say(
      'ROOT_TOKEN',
      'must be 20 to 300 of the characters 0-9 A-Z a-z _ - . and, in routable form, have a right checksum',
    );

  return {
    data,
    url:
      texts.URL === undefined
        ? null
        : (baseUrl(texts.URL) ?? say('URL', 'must be http:// or https:// with a host, no path')),
    listen:
      address(texts.LISTEN ?? '127.0.0.1:8080') ?? say('LISTEN', 'must be host:port, such as 127.0.0.1:8080') ?? UNSET,
    tls: tls(texts, folder, say),
    trustedProxies: proxies(texts.TRUSTED_PROXIES ?? '', say),
    sshListen:
      texts.SSH_LISTEN === 'off'
        ? null
        : (address(texts.SSH_LISTEN ?? '127.0.0.1:2222') ?? say('SSH_LISTEN', 'must be host:port or off')),
    sshUrl:
      texts.SSH_URL === undefined
        ? null
        : urlOf(texts.SSH_URL, /^ssh:\/\//, () => say('SSH_URL', 'must begin with ssh://')),
    registryUrl:
      texts.REGISTRY_URL === undefined
        ? null
        : (baseUrl(texts.REGISTRY_URL) ?? say('REGISTRY_URL', 'must be http:// or https:// with a host, no path')),
    databaseUrl: new Secret(database),
    keys: resolve(folder, texts.KEYS ?? join(data, 'keys')),
    smtpUrl,
    mailFrom,
    rootPassword,
    rootToken,
  };
}

type Say = (name: SettingName, rule: string) => null;
const UNSET: Address = { host: '', port: 0 };

function address(text: string): Address | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:\s/]*)):(\d{1,5})$/.exec(text);
  if (!match || Number(match[3]) > 65_535) return null;
  if (match[1] !== undefined && isIP(match[1]) !== 6) return null;
  return { host: match[1] ?? (match[2] || '0.0.0.0'), port: Number(match[3]) };
}

function urlOf(text: string, shape: RegExp, refuse: () => null): string | null {
  return shape.test(text) && URL.canParse(text) ? text.replace(/\/+$/, '') : refuse();
}

function baseUrl(text: string): string | null {
  if (!URL.canParse(text)) return null;
  const url = new URL(text);
  if (!/^https?:$/.test(url.protocol) || url.username || url.password || url.search || url.hash) return null;
  return url.pathname === '/' ? url.origin : null;
}

function tls(texts: Texts, folder: string, say: Say): Config['tls'] {
  const { TLS_CERT: cert, TLS_KEY: key } = texts;
  if (cert === undefined && key === undefined) return null;
  if (cert === undefined) return say('TLS_CERT', 'must be set together with KEYWARD_TLS_KEY');
  if (key === undefined) return say('TLS_KEY', 'must be set together with KEYWARD_TLS_CERT');
  const paths = { cert: resolve(folder, cert), key: resolve(folder, key) };
  if (!existsSync(paths.cert)) say('TLS_CERT', `names a file that is not there: ${paths.cert}`);
  if (!existsSync(paths.key)) say('TLS_KEY', `names a file that is not there: ${paths.key}`);
  return paths;
}

function proxies(text: string, say: Say): string[] {
  const entries = text.split(/[\s,]+/).filter((entry) => entry !== '');
  for (const entry of entries) {
    const [ip = '', bits, ...rest] = entry.split('/');
    const family = isIP(ip);
    const most = family === 6 ? 128 : 32;
    if (family === 0 || rest.length > 0 || (bits !== undefined && !(/^\d{1,3}$/.test(bits) && Number(bits) <= most)))
      say('TRUSTED_PROXIES', 'must be addresses or networks such as 10.0.0.0/8, separated by commas');
  }
  return entries;
}

function isMailbox(text: string): boolean {
  const named = /^[^<>\r\n]*<([^<>]+)>$/.exec(text);
  return isEmail(named ? named[1]! : text) && !/[\r\n]/.test(text);
}

/** Whether `host` can only be reached from this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127\./.test(host);
}

/** The address people use when KEYWARD_URL does not say: `http://localhost:8080` for the default `listen`. */
export function derivedUrl(config: Pick<Config, 'listen' | 'tls'>, port: number): string {
  const { host } = config.listen;
  const name =
    isLoopback(host) || host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return new URL(`${config.tls ? 'https' : 'http'}://${name}:${port}`).origin;
}

/** The address of SSH clone URLs when KEYWARD_SSH_URL does not say: the host that people know, and the port. */
export function derivedSshUrl(url: string, port: number): string {
  return `ssh://git@${new URL(url).hostname}${port === 22 ? '' : `:${port}`}`;
}
