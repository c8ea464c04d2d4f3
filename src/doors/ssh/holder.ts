// Who holds the key that signed, and what a key that is no longer good is told: it may sign in, and hears of it with its command
// (reference git-and-deploy 10.3, 10.5). What the key may do is not asked here.
import { atProject } from '../../access/place.ts';
import { deadRefusal } from '../../access/refusal.ts';
import type { DeadCredential } from '../../credentials/dead.ts';
import { findUser } from '../../credentials/holder-store.ts';
import { parseSshKey } from '../../credentials/ssh-key.ts';
import { keyPolicyError } from '../../credentials/ssh-key-policy.ts';
import { findByFingerprint } from '../../credentials/ssh-key-store.ts';
import type { VerifiedCredential } from '../../credentials/verified-credential.ts';
import { readSettings } from '../../settings/settings.ts';
import { refusalAuditOf } from '../http/refusal-audit.ts';
import type { Services } from '../services.ts';
import type { SshCommand } from './command-line.ts';
import type { KeyAnswer, SessionOpening } from './frames.ts';
import { accountText, KEY_EXPIRED, KEY_GONE, PROTOCOL_OFF } from './messages.ts';
import { SessionRefusal } from './session-refusal.ts';

/** Answers a transport that asks whether this key may sign in: expired keys and those of blocked accounts may. */
export async function maySignIn(services: Services, fingerprint: string, ip: string | null): Promise<KeyAnswer> {
  const verified = await services.verifier.sshKey(fingerprint);
  const code = verified.ok ? null : verified.error.code;
  if (code !== null && code !== 'expired' && code !== 'holder_blocked') {
    services.refusals.countRefusal({ ip: ip ?? 'unknown', door: 'ssh', code });
    return { known: false, key: null };
  }
  const found = await findByFingerprint(services.db.read, fingerprint);
  const [type = '', blob = ''] = found?.row.key_text.split(/ +/) ?? [];
  return { known: true, key: `${type} ${blob}` };
}

/** The credential of a session. Throws the SessionRefusal of a key or an account that may not enter now. */
export async function whoIsIt(
  services: Services,
  opening: SessionOpening,
  command: SshCommand,
): Promise<VerifiedCredential> {
  const settings = await readSettings(services.db.read);
  const forGit = command.type === 'git' || command.type === 'lfs_authenticate';
  if (forGit && settings.enabled_git_access_protocol === 'http') throw new SessionRefusal(PROTOCOL_OFF);
  const verified = await services.verifier.sshKey(opening.fingerprint);
  if (!verified.ok) {
    noteDead(services, verified.error, command, opening.ip);
    throw new SessionRefusal(await whyDead(services, verified.error));
  }
  const found = await findByFingerprint(services.db.read, opening.fingerprint);
  const key = found ? parseSshKey(found.row.key_text) : null;
  const rule = key?.ok ? keyPolicyError(settings, key.value) : null;
  if (rule !== null) throw new SessionRefusal(`Your SSH key ${rule}.`);
  return verified.value;
}

/**
 * A key that signed and is dead is noted with what it wanted. In `maySignIn` nothing is signed yet and public keys are public:
 * there it is only counted, or anybody could write rows in another's name.
 */
function noteDead(services: Services, dead: DeadCredential, command: SshCommand, ip: string | null): void {
  if (command.type !== 'git' && command.type !== 'lfs_authenticate') {
    services.refusals.countRefusal({ ip: ip ?? 'unknown', door: 'ssh', code: dead.code });
    return;
  }
  const pushes = command.type === 'git' ? command.service === 'receive-pack' : command.operation === 'upload';
  const action = pushes ? 'repository:push' : 'repository:pull';
  refusalAuditOf(services).note('ssh', deadRefusal(dead), action, atProject(command.path), ip);
}

async function whyDead(services: Services, { code, identified }: DeadCredential): Promise<string> {
  if (code === 'expired') return KEY_EXPIRED;
  if (code !== 'holder_blocked') return KEY_GONE;
  const user = identified?.userId == null ? null : await findUser(services.db.read, identified.userId);
  return accountText(user?.state ?? null, services.url);
}

/** The line that `ssh -T` prints. A deploy key greets its owner. */
export function greet({ holder }: VerifiedCredential): string {
  const user = holder.type === 'user' ? holder.user : holder.type === 'deploy_key' ? holder.creator : null;
  return `Welcome to GitLab, ${user === null ? 'Anonymous' : `@${user.username}`}!\n`;
}
