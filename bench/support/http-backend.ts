// The yardstick of figures c and d: git's own `git http-backend`, run by fcgiwrap behind nginx as its manual describes it, over
// the same repository folder. It asks for no key.
import { access, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort, start, stop, timed } from './processes.ts';
import { gitEnvironment } from './repository.ts';

const BACKEND = '/usr/lib/git-core/git-http-backend';
const PARAMS = ['QUERY_STRING', 'REQUEST_METHOD', 'CONTENT_TYPE', 'CONTENT_LENGTH', 'REMOTE_ADDR'];

/** Serves the repositories under `root` as `/git/…`; null when nginx or fcgiwrap is not installed. */
export async function startHttpBackend(
  folder: string,
  root: string,
): Promise<{ url: string; stop(): Promise<void> } | null> {
  const there = await timed('sh', ['-c', `command -v nginx && command -v fcgiwrap && test -x ${BACKEND}`]).catch(
    () => 0,
  );
  if (there === 0) return null;
  const port = await freePort();
  const socket = join(folder, 'fcgi.sock');
  const params = PARAMS.map((name) => `fastcgi_param ${name} $${name.toLowerCase()};`).join(' ');
  await writeFile(
    join(folder, 'nginx.conf'),
    `daemon off; user root; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/nginx.log;
    events {}
    http {
      access_log off; keepalive_requests 1000000;
      client_body_temp_path ${folder}/nb; fastcgi_temp_path ${folder}/nf; proxy_temp_path ${folder}/np;
      uwsgi_temp_path ${folder}/nu; scgi_temp_path ${folder}/ns;
      server {
        listen 127.0.0.1:${port};
        location ~ ^/git(/.*)$ {
          fastcgi_pass unix:${socket}; ${params}
          fastcgi_param SCRIPT_FILENAME ${BACKEND}; fastcgi_param PATH_INFO $1;
          fastcgi_param GIT_PROJECT_ROOT ${root}; fastcgi_param GIT_HTTP_EXPORT_ALL "";
        }
      }
    }`,
  );
  const wrapper = start('fcgiwrap', ['-c', '8', '-s', `unix:${socket}`], { env: gitEnvironment(folder) });
  const nginx = start('nginx', ['-c', join(folder, 'nginx.conf'), '-e', join(folder, 'nginx.log')]);
  for (const child of [wrapper, nginx]) {
    child.stdout?.resume();
    child.stderr?.resume();
  }
  for (let tries = 0; tries < 100; tries += 1) {
    const ready = await access(join(folder, 'nginx.pid'))
      .then(
        () => access(socket).then(() => true),
        () => false,
      )
      .catch(() => false);
    if (ready) break;
    await sleep(20);
  }
  return {
    url: `http://127.0.0.1:${port}/git`,
    async stop() {
      await stop(nginx);
      await stop(wrapper);
    },
  };
}
