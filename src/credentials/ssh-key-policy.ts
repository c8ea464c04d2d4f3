// Which types and lengths of SSH keys an instance takes (reference git-and-deploy 6.2, access-tokens 3.5): asked when a key is
// registered, and again when it is used, because the settings may have become stricter since.
import type { InstanceSettings } from '../settings/settings.ts';
import type { SshKeyType, SshPublicKey } from './ssh-key.ts';

/** In the order in which a refusal lists what is left. */
const NAMES: Readonly<Record<SshKeyType, string>> = {
  rsa: 'RSA',
  dsa: 'DSA',
  ecdsa: 'ECDSA',
  ed25519: 'ED25519',
  ecdsa_sk: 'ECDSA_SK',
  ed25519_sk: 'ED25519_SK',
};
const TYPES = Object.keys(NAMES) as SshKeyType[];
/** Below this an RSA key is no key, whatever the settings. */
const FEWEST_RSA_BITS = 1024;

/** Why the instance does not take this key; null when it does. Follows `key` or `Your SSH key`: `must be at least 2048 bits`. */
export function keyPolicyError(settings: InstanceSettings, key: Pick<SshPublicKey, 'type' | 'bits'>): string | null {
  const limit = limitOf(settings, key.type);
  if (limit < 0) {
    const left = TYPES.filter((type) => limitOf(settings, type) >= 0).map((type) => NAMES[type]);
    return left.length === 0 ? 'type is forbidden' : `type is forbidden. Must be ${sentenceList(left)}`;
  }
  const fewest = Math.max(limit, key.type === 'rsa' || key.type === 'dsa' ? FEWEST_RSA_BITS : 0);
  return key.bits < fewest ? `must be at least ${fewest} bits` : null;
}

function limitOf(settings: InstanceSettings, type: SshKeyType): number {
  // The door speaks no DSA (reference git-and-deploy 6.2), so no setting makes a DSA key usable.
  return type === 'dsa' ? -1 : settings[`${type}_key_restriction`];
}

function sentenceList(words: readonly string[]): string {
  if (words.length < 3) return words.join(' or ');
  return `${words.slice(0, -1).join(', ')}, or ${words.at(-1)}`;
}
