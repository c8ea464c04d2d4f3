// What the doctor sees in an open house: the audit's chain, repositories against rows, pushes that did not end, the clock, and
// what is left of the first start. It changes nothing and may run beside a server.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { auditChain } from '../../audit/chain-audit.ts';
import { HEAD_FILE } from '../../audit/sealer.ts';
import type { Services } from '../../doors/services.ts';
import { HOUR, isoTime, MINUTE } from '../../kernel/clock.ts';
import { unfinishedPushes } from '../../repositories/push-store.ts';
import {
  hasFirstPassword,
  hasRepository,
  type RepositoryFact,
  repositoryFacts,
  tablesFromTheFuture,
  tokensNamed,
} from './doctor-store.ts';
import type { Finding } from './finding.ts';

const PAGE = 500;
const FSCK_TIMEOUT = 6 * HOUR;
const SKEW = 5 * MINUTE;

/** The chain of the audit, and the rows that wait for the sealer. */
export async function checkAudit(services: Services, data: string): Promise<Finding[]> {
  const report = await auditChain(services, join(data, HEAD_FILE));
  const findings: Finding[] = report.findings.map(({ text, code }) => ({
    check: 'audit',
    level: code === 'mac_unchecked' ? 'risk' : 'damage',
    text,
  }));
  if (report.unsealed > 0) {
    const text = `${report.unsealed} rows from event ${report.firstUnsealed} on wait for the sealer: nothing proves them yet`;
    findings.push({ check: 'audit', level: 'note', text });
  }
  const text = `${report.events} rows in ${report.batches} batches; newest ${report.head}`;
  return [...findings, { check: 'audit', level: 'note', text }];
}

/** Repositories that should be there and are not, that are there and should not; with `fsck` also what git says of each. */
export async function checkRepositories(services: Services, data: string, fsck: boolean): Promise<Finding[]> {
  const findings: Finding[] = [];
  const damage = (text: string) => findings.push({ check: 'repositories', level: 'damage', text });
  for (const id of idsOnDisk(join(data, 'repositories')))
    if (!(await hasRepository(services.db.list, id)))
      damage(`the folder of repository ${id} belongs to no project: ${services.repositories.path(id)}`);
  let after = 0;
  for (;;) {
    const facts = await repositoryFacts(services.db.list, after, PAGE);
    for (const fact of facts) {
      if (fact.trashed) continue;
      if (await services.repositories.exists(fact.id)) {
        const said = fsck ? await fsckSays(services, fact) : null;
        if (said !== null) damage(`repository ${fact.id} of ${fact.fullPath}: ${said}`);
      } else if (fact.used && fact.fork) {
        const begun = await services.repositories.isBeingMade(fact.id);
        const text = begun
          ? `the fork ${fact.fullPath} holds nothing yet: repository ${fact.id} is being copied, or was when the server stopped`
          : `the fork ${fact.fullPath} holds nothing: repository ${fact.id} was not copied; delete it and fork again`;
        findings.push({ check: 'repositories', level: 'risk', text });
      } else if (fact.used) damage(`repository ${fact.id} of ${fact.fullPath} is missing`);
    }
    if (facts.length < PAGE) return findings;
    after = facts.at(-1)!.id;
  }
}

function idsOnDisk(root: string): number[] {
  const list = (folder: string) => {
    try {
      return readdirSync(folder);
    } catch {
      return [];
    }
  };
  return list(root)
    .filter((name) => /^[0-9a-f]{2}$/.test(name))
    .flatMap((a) => list(join(root, a)).flatMap((b) => list(join(root, a, b))))
    .flatMap((name) => (/^\d+\.git$/.test(name) ? [Number.parseInt(name, 10)] : []));
}

async function fsckSays({ repositories }: Services, { id }: RepositoryFact): Promise<string | null> {
  const args = ['fsck', '--full', '--no-dangling', '--no-progress'];
  const { code, stdout, stderr } = await repositories.run(id, args, { lane: 'maintenance', timeout: FSCK_TIMEOUT });
  if (code === 0) return null;
  const first = `${stderr}\n${stdout.toString('utf8')}`.split('\n').find((line) => line.trim() !== '');
  return `git fsck: ${first ?? `exit code ${code}`}`;
}

/** Pushes that began and did not end: normal while one runs or after a crash, until the next start. */
export async function checkPushes(services: Services, isServing: boolean): Promise<Finding[]> {
  const pushes = await unfinishedPushes(services.db.list, 0, 1000);
  const old = pushes.filter((push) => push.created_at < services.clock.now() - 24 * HOUR);
  if (isServing && old.length > 0)
    return [
      { check: 'pushes', level: 'risk', text: `${old.length} pushes have not ended for a day (first: ${old[0]!.id})` },
    ];
  const when = isServing ? 'are under way' : 'did not end; the next start settles them';
  return pushes.length === 0 ? [] : [{ check: 'pushes', level: 'note', text: `${pushes.length} pushes ${when}` }];
}

/** Rows from the future: the clock went back, or was wrong before. */
export async function checkClock(services: Services): Promise<Finding[]> {
  const now = services.clock.now();
  const tables = await tablesFromTheFuture(services.db.list, now + SKEW);
  const text = `the clock says ${isoTime(now)}, and there are later rows in ${tables.join(', ')}: it went back`;
  return tables.length === 0 ? [] : [{ check: 'clock', level: 'risk', text }];
}

/** What the first start left behind and nobody replaced. */
export async function checkFirstStart(services: Services): Promise<Finding[]> {
  const { db, clock } = services;
  const findings: Finding[] = [];
  const say = (text: string) => findings.push({ check: 'settings', level: 'risk', text });
  const description = 'given by the operator at the first start';
  for (const id of await tokensNamed(db.list, 'KEYWARD_ROOT_TOKEN', description, clock.now()))
    say(`token ${id} of root is still the one from KEYWARD_ROOT_TOKEN: rotate or revoke it`);
  if (await hasFirstPassword(db.list, 'root')) say('root still has the password of the first start: change it');
  return findings;
}
