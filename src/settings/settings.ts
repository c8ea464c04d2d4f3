// What administrators can change while the instance runs, for every node: names, defaults and limits (reference
// access-tokens 3.5). What a setting does, the rooms that read it know.
import { err, ok, type Result } from '../kernel/result.ts';
import type { Queryable, Tx } from '../storage/database.ts';
import { remember } from '../storage/memory.ts';
import { selectSettings, upsertSetting } from './settings-store.ts';
import {
  flag,
  integer,
  keyRestriction,
  oneOf,
  optionalInteger,
  optionalOneOf,
  someOf,
  text,
  type ValueRule,
} from './value-rules.ts';

const LEVELS = ['private', 'internal', 'public'] as const;
/** What a token's prefix may hold: the alphabet of tokens themselves, so that verify takes what issue made. */
const PREFIX = /^[a-zA-Z0-9_-]*$/;
const INSTANCE_PREFIX = /^(?:[a-zA-Z0-9][a-zA-Z0-9_-]*)?$/;
const DURATION = /^(?:0|never|(?:\d{1,6}\s?[a-z]{1,7}\s?(?:and\s)?){1,6})?$/i;
const YEAR_OF_MINUTES = 525_600;
const CENTURY_OF_SECONDS = 3_153_600_000;

const rules = {
  require_personal_access_token_expiry: flag(true),
  // null counts as 365 days (access-tokens 7.1); a setting can only lower the maximum.
  max_personal_access_token_lifetime: optionalInteger(1, 365),
  service_access_tokens_expiration_enforced: flag(true),
  inactive_resource_access_tokens_delete_after_days: integer(30, 1, 36_500),
  personal_access_token_prefix: text('glpat-', 20, PREFIX),
  instance_token_prefix: text('', 20, INSTANCE_PREFIX),
  password_authentication_enabled_for_git: flag(true),
  password_authentication_enabled_for_web: flag(true),
  session_expire_delay: integer(10_080, 1, YEAR_OF_MINUTES),
  enabled_git_access_protocol: optionalOneOf(['ssh', 'http']),
  default_project_visibility: oneOf('private', LEVELS),
  default_group_visibility: oneOf('private', LEVELS),
  restricted_visibility_levels: someOf(LEVELS),
  default_branch_protection: integer(2, 0, 4),
  receive_max_input_size: optionalInteger(1, 1_000_000),
  // -1 forbids keys of the type, 0 allows all, another number is the fewest bits.
  rsa_key_restriction: keyRestriction(0, [1024, 2048, 3072, 4096]),
  ecdsa_key_restriction: keyRestriction(0, [256, 384, 521]),
  ed25519_key_restriction: keyRestriction(0, [256]),
  ecdsa_sk_key_restriction: keyRestriction(0, [256]),
  ed25519_sk_key_restriction: keyRestriction(0, [256]),
  dsa_key_restriction: keyRestriction(-1, [1024, 2048, 3072]),
  max_artifacts_size: integer(100, 0, 1_000_000),
  default_artifacts_expire_in: text('30 days', 100, DURATION),
  runner_token_expiration_interval: optionalInteger(1, CENTURY_OF_SECONDS),
  group_runner_token_expiration_interval: optionalInteger(1, CENTURY_OF_SECONDS),
  project_runner_token_expiration_interval: optionalInteger(1, CENTURY_OF_SECONDS),
  container_registry_token_expire_delay: integer(5, 1, YEAR_OF_MINUTES),
  // Ours from here on.
  deploy_token_write_repository: flag(false),
  token_format: oneOf('routable', ['routable', 'legacy']),
  impersonation_enabled: flag(true),
  token_reuse_detection: oneOf('revoke', ['revoke', 'report']),
  failed_authentication_limit: integer(30, 1, 1_000_000),
  failed_authentication_period: integer(180, 1, 86_400),
  password_lock_attempts: integer(10, 1, 1_000_000),
  password_lock_period: integer(600, 1, 86_400),
  ci_jobs_trace_size_limit: integer(100, 1, 1_000_000),
} satisfies Record<string, ValueRule<unknown>>;

type Rules = typeof rules;
export type SettingName = keyof Rules;
export type InstanceSettings = { readonly [N in SettingName]: Rules[N] extends ValueRule<infer T> ? T : never };

/** What is wrong with the value given for `field`; `text` follows the name in a sentence: `… is invalid`. */
export interface SettingError {
  readonly field: SettingName;
  readonly text: string;
}

const names = Object.keys(rules) as SettingName[];

/** Every setting as it is on a new instance. */
export const defaultSettings: InstanceSettings = Object.fromEntries(
  names.map((name) => [name, rules[name].initial]),
) as InstanceSettings;

/**
 * The settings as they are now: one small query, asked anew after every commit, so that a change holds at the next request on every node.
 * A stored value that this version finds invalid, or does not know, counts as not stored.
 */
export async function readSettings(q: Queryable): Promise<InstanceSettings> {
  return remember(q, 'settings', () => askSettings(q));
}

async function askSettings(q: Queryable): Promise<InstanceSettings> {
  const changed: Record<string, unknown> = {};
  for (const { name, value } of await selectSettings(q)) {
    if (!Object.hasOwn(rules, name)) continue;
    const rule: ValueRule<unknown> = rules[name as SettingName];
    const read = (rule.readStored ?? rule.read)(JSON.parse(value));
    if (read.ok) changed[name] = read.value;
  }
  return { ...defaultSettings, ...changed };
}

/**
 * Changes what `patch` names and gives all settings as they are then; nothing is changed when one value is bad. Names that
 * are no settings are ignored (access-tokens 3.5). `now` in milliseconds.
 */
export async function updateSettings(
  tx: Tx,
  patch: Readonly<Record<string, unknown>>,
  now: number,
): Promise<Result<InstanceSettings, readonly SettingError[]>> {
  const errors: SettingError[] = [];
  const values: [SettingName, unknown][] = [];
  for (const name of names) {
    if (!Object.hasOwn(patch, name) || patch[name] === undefined) continue;
    const read = rules[name].read(patch[name]);
    if (read.ok) values.push([name, read.value]);
    else errors.push({ field: name, text: read.error });
  }
  if (errors.length > 0) return err(errors);
  for (const [name, value] of values) await upsertSetting(tx, name, JSON.stringify(value), now);
  return ok(await readSettings(tx));
}
