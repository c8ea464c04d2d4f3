// The commands as people read them. docs/cli.md says more; a test holds that both know the same commands and options.
import type { ParseArgsOptionsConfig } from 'node:util';

export interface CommandHelp {
  readonly name: string;
  readonly usage: string;
  readonly says: string;
  readonly options: Readonly<
    Record<string, { readonly takes: string | null; readonly many?: boolean; readonly says: string }>
  >;
}

const JSON_OPTION = { json: { takes: null, says: 'print the answer as JSON' } } as const;
const PLACE = {
  user: { takes: 'NAME', says: 'the user (id or user name) that a personal token belongs to' },
  project: { takes: 'PATH', says: 'the project (id or full path)' },
  group: { takes: 'PATH', says: 'the group (id or full path)' },
} as const;

export const COMMANDS: readonly CommandHelp[] = [
  { name: 'serve', usage: 'serve', says: 'run the server until it is told to stop (SIGTERM)', options: {} },
  {
    name: 'token create',
    usage: 'token create --user NAME | --project PATH | --group PATH [--deploy] --name NAME --scope SCOPE…',
    says: 'make a key; its secret is printed once',
    options: {
      ...PLACE,
      deploy: { takes: null, says: 'make a deploy token instead of an access token' },
      name: { takes: 'NAME', says: 'what the key is called' },
      scope: { takes: 'SCOPE', many: true, says: 'what it may do; repeat it, or separate by commas' },
      expires: {
        takes: 'DATE',
        says: 'the day from which it is dead, YYYY-MM-DD (default: the latest allowed; deploy token: never)',
      },
      level: { takes: 'LEVEL', says: 'access level of a project or group token: 10 to 50 (default: 40)' },
      username: { takes: 'NAME', says: 'user name of a deploy token (default: gitlab+deploy-token-ID)' },
      description: { takes: 'TEXT', says: 'what it is for' },
      ...JSON_OPTION,
    },
  },
  {
    name: 'token list',
    usage: 'token list [--user NAME] [--project PATH] [--group PATH] [--kind KIND] [--state STATE]',
    says: 'list keys, without their secrets',
    options: {
      ...PLACE,
      kind: { takes: 'KIND', says: 'personal_access_token, project_access_token, group_access_token, deploy_token …' },
      state: { takes: 'STATE', says: 'active, rotating, expired or revoked' },
      ...JSON_OPTION,
    },
  },
  {
    name: 'token rotate',
    usage: 'token rotate ID [--expires DATE] [--overlap SECONDS]',
    says: 'replace a key by a new one; the new secret is printed once',
    options: {
      expires: { takes: 'DATE', says: 'the day from which the new one is dead (default: in a week)' },
      overlap: { takes: 'SECONDS', says: 'how long the old one still works (default: 0, at most 2592000)' },
      ...JSON_OPTION,
    },
  },
  { name: 'token revoke', usage: 'token revoke ID', says: 'end a key now', options: { ...JSON_OPTION } },
  {
    name: 'key add',
    usage: 'key add --user NAME | --project PATH [--can-push] | --public --title TITLE --key LINE',
    says: 'register an SSH public key: of a user, or as a deploy key',
    options: {
      user: { takes: 'NAME', says: 'the user (id or user name) whose key it is' },
      project: { takes: 'PATH', says: 'the project (id or full path) that it is a deploy key of' },
      public: { takes: null, says: 'make it a deploy key that any project may enable' },
      'can-push': { takes: null, says: 'let it push to the project' },
      owner: {
        takes: 'NAME',
        says: 'whose right the pushes of a deploy key need (default: nobody, so it cannot push)',
      },
      title: { takes: 'TITLE', says: 'what the key is called' },
      key: { takes: 'LINE', says: 'the public key, one line, as in id_ed25519.pub' },
      usage: { takes: 'USE', says: "of a user's key: auth, signing or auth_and_signing (default)" },
      expires: { takes: 'DATE', says: 'the day from which it is dead, YYYY-MM-DD (default: never)' },
      ...JSON_OPTION,
    },
  },
  {
    name: 'key list',
    usage: 'key list [--user NAME | --project PATH | --public]',
    says: 'list the SSH keys of a user, or deploy keys',
    options: {
      user: { takes: 'NAME', says: 'the SSH keys of this user' },
      project: { takes: 'PATH', says: 'the deploy keys enabled in this project (default: all deploy keys)' },
      public: { takes: null, says: 'the public deploy keys' },
      ...JSON_OPTION,
    },
  },
  {
    name: 'key show',
    usage: 'key show ID | FINGERPRINT',
    says: 'show an SSH key or deploy key, and the projects that it opens',
    options: { ...JSON_OPTION },
  },
  {
    name: 'key enable',
    usage: 'key enable ID --project PATH [--can-push]',
    says: 'let a deploy key into one more project',
    options: { project: PLACE.project, 'can-push': { takes: null, says: 'for pushes too' }, ...JSON_OPTION },
  },
  {
    name: 'key change',
    usage: 'key change ID --project PATH [--can-push | --read-only] [--title TITLE]',
    says: 'change the write access of a deploy key in one project, or its title',
    options: {
      project: PLACE.project,
      'can-push': { takes: null, says: 'it may push there' },
      'read-only': { takes: null, says: 'it may not push there' },
      title: { takes: 'TITLE', says: 'what the key is called' },
      ...JSON_OPTION,
    },
  },
  {
    name: 'key take',
    usage: 'key take ID --project PATH --owner NAME',
    says: 'give a deploy key to another owner, whose right its pushes need',
    options: {
      project: PLACE.project,
      owner: { takes: 'NAME', says: 'the new owner (id or user name)' },
      ...JSON_OPTION,
    },
  },
  {
    name: 'key disable',
    usage: 'key disable ID --project PATH',
    says: 'take a deploy key out of a project; a private one ends with its last',
    options: { project: PLACE.project, ...JSON_OPTION },
  },
  {
    name: 'key remove',
    usage: 'key remove ID',
    says: 'end an SSH key or deploy key everywhere',
    options: { ...JSON_OPTION },
  },
  {
    name: 'explain',
    usage: 'explain --credential ID | --token-stdin --action ACTION [--project PATH | --group PATH] [--ref NAME]',
    says: 'say which of the four locks lets a key in, and which does not',
    options: {
      credential: { takes: 'ID', says: 'the key by its id' },
      'token-stdin': { takes: null, says: 'read the key itself from standard input' },
      action: { takes: 'ACTION', says: 'such as project:read, repository:pull, repository:push' },
      project: PLACE.project,
      group: PLACE.group,
      ref: { takes: 'NAME', says: 'the branch or tag, for repository:push' },
      ...JSON_OPTION,
    },
  },
  {
    name: 'doctor',
    usage: 'doctor [--fsck]',
    says: 'look whether all is in order; exit code 1 when it is not',
    options: {
      fsck: {
        takes: null,
        says: 'let git look into every repository and compare every blob with its digest, which takes time',
      },
      ...JSON_OPTION,
    },
  },
  {
    name: 'backup',
    usage: 'backup FOLDER [--with-keys]',
    says: 'write a backup to a new folder, also beside a running server',
    options: {
      'with-keys': { takes: null, says: 'with the instance keys: whoever has the backup then has everything' },
      ...JSON_OPTION,
    },
  },
  {
    name: 'restore',
    usage: 'restore FOLDER [--accept-lost-keys]',
    says: 'make a data folder of a backup; it must not exist or be empty',
    options: {
      'accept-lost-keys': { takes: null, says: 'go on without the instance keys: every token is dead for good' },
      ...JSON_OPTION,
    },
  },
  {
    name: 'audit export',
    usage: 'audit export [--from TIME] [--to TIME] [--output FILE]',
    says: 'the audit as JSON lines with the proof of every row',
    options: {
      from: { takes: 'TIME', says: 'batches sealed from this date or time on' },
      to: { takes: 'TIME', says: 'batches sealed up to this date or time' },
      output: { takes: 'FILE', says: 'a new file (default: standard output)' },
      ...JSON_OPTION,
    },
  },
  {
    name: 'audit verify',
    usage: 'audit verify FILE [--keys FOLDER] [--head HASH]',
    says: 'check an exported audit, without any database',
    options: {
      keys: { takes: 'FOLDER', says: 'the instance keys: also check who sealed it' },
      head: { takes: 'HASH', says: 'what the newest batch must be' },
      ...JSON_OPTION,
    },
  },
  {
    name: 'sshd-config',
    usage: 'sshd-config',
    says: 'print what belongs into sshd_config when OpenSSH stands in front',
    options: {},
  },
  {
    name: 'ssh-authorized-keys',
    usage: 'ssh-authorized-keys FINGERPRINT | TYPE KEY',
    says: "for sshd's AuthorizedKeysCommand: print the line of a known key (docs/ssh.md)",
    options: {},
  },
  {
    name: 'ssh-command',
    usage: 'ssh-command FINGERPRINT',
    says: 'for sshd: the forced command of a session (docs/ssh.md)',
    options: {},
  },
];

/** The options of a command in the form that parseArgs takes. */
export function optionsOf(name: string): ParseArgsOptionsConfig {
  const command = COMMANDS.find((candidate) => candidate.name === name);
  const options = Object.entries(command?.options ?? {}).map(([option, { takes, many }]) => [
    option,
    { type: takes === null ? 'boolean' : 'string', multiple: many === true },
  ]);
  return Object.fromEntries([...options, ['help', { type: 'boolean', short: 'h' }]]) as ParseArgsOptionsConfig;
}

/** What `keyward help <command>` prints; null when there is no such command. `token` shows all of its commands. */
export function helpOf(name: string): string | null {
  const found = COMMANDS.filter((command) => command.name === name || command.name.startsWith(`${name} `));
  if (found.length === 0) return null;
  return found.map((command) => `keyward ${command.usage}\n  ${command.says}\n${optionLines(command)}`).join('\n');
}

function optionLines(command: CommandHelp): string {
  return Object.entries(command.options)
    .map(([name, { takes, says }]) => `    ${`--${name}${takes === null ? '' : ` ${takes}`}`.padEnd(22)} ${says}\n`)
    .join('');
}

export const HELP = `keyward: a small self-hosted forge whose heart is its keys

${COMMANDS.map((command) => `  keyward ${command.name.padEnd(13)} ${command.says}`).join('\n')}
  keyward help          this page; "keyward help token create" for one command
  keyward --version     the version

Every command takes --help, and all but serve and those for sshd take --json. Settings come from KEYWARD_… variables and
keyward.toml (docs/settings.md). Commands ask the running server, or work on the data folder when none runs.
Exit codes: 0 done, 1 refused or failed, 2 wrong command line or settings, 3 explain says no.
`;
