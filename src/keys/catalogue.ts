// The catalogue: kinds, scopes, actions and roles as data, made from the very tables that decide, so that a form offers only
// what the server allows (reference web-ui X2).
import { ALL_ACTIONS, ruleOf } from '../access/actions.ts';
import { kindSets } from '../access/kind-sets.ts';
import { describeKind, ISSUED_KINDS, type Kind } from '../credentials/kinds.ts';
import { SCOPES, type Scope } from '../credentials/scopes.ts';
import { MEMBER_LEVELS, roleName, TOKEN_LEVELS } from '../identity/roles.ts';
import { isoDate } from '../kernel/clock.ts';
import { readSettings } from '../settings/settings.ts';
import type { House } from '../storage/house.ts';
import { expiryPolicy, latestExpiry } from './expiry-dates.ts';
import { scopesFor } from './key-wish.ts';

const SENTENCES: Readonly<Record<Scope, string>> = {
  api: 'Everything that its holder may do over the API, git, the registry and packages.',
  read_api: 'Reading over the API, and reading code, images and packages.',
  read_user: 'Reading users, the holder first.',
  create_runner: 'Creating runners.',
  manage_runner: 'Assigning, changing and deleting runners.',
  k8s_proxy: 'The Kubernetes agent proxy; opens nothing here.',
  self_rotate: 'Rotating this very token.',
  read_repository: 'Cloning and fetching, and reading files over the API.',
  write_repository: 'Cloning, fetching and pushing; not the API.',
  read_registry: 'Pulling images.',
  write_registry: 'Pushing images; together with read_registry.',
  read_package_registry: 'Downloading packages.',
  write_package_registry: 'Uploading and downloading packages.',
  read_virtual_registry: 'Reading through the dependency proxy.',
  write_virtual_registry: 'Writing through the dependency proxy.',
  ai_features: 'Assistant features; opens nothing here.',
  sudo: 'Acting as any other user; administrators only.',
  admin_mode: 'Accepted; adds nothing here. Administrators only.',
};

/** The whole catalogue as JSON data. */
export async function catalogue(house: House) {
  const settings = await readSettings(house.db.read);
  const latest = latestExpiry(expiryPolicy(settings, 'human'), house.clock.now());
  const scopes = new Map(ISSUED_KINDS.map((kind) => [kind, scopesFor(kind, settings)]));
  return {
    kinds: ISSUED_KINDS.map((kind) => {
      const { holder, prefix, expires, rotates, bound, bot } = describeKind(kind);
      return { name: kind, holder, prefix, expires, rotates, bound, bot, scopes: scopes.get(kind) };
    }),
    scopes: SCOPES.map((name) => ({
      name,
      description: SENTENCES[name],
      kinds: ISSUED_KINDS.filter((kind) => scopes.get(kind)?.includes(name)),
    })),
    actions: ALL_ACTIONS.map((name) => {
      const rule = ruleOf(name);
      const set = kindSets[rule.kinds];
      return {
        name,
        place: rule.place,
        effect: rule.effect,
        kinds: (Object.keys(set) as Kind[]).filter((kind) => set[kind]),
        scopes: rule.scopes,
        roles: rule.roles ?? [],
        visibility: rule.visibility ?? false,
        feature: rule.feature ?? null,
        instance: rule.instance ?? null,
      };
    }),
    roles: MEMBER_LEVELS.map((level) => ({ level, name: roleName(level), token: TOKEN_LEVELS.includes(level) })),
    expiry: { latest: isoDate(latest), required: settings.require_personal_access_token_expiry },
  };
}
