// A real nginx with TLS before a service: its certificate is its own, which a test's browser must accept.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { X509Certificate, createHash } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Debian's is not in every PATH. */
const NGINX = ['/usr/sbin/nginx', '/usr/bin/nginx', '/usr/local/sbin/nginx'].find((path) => {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
});

/** Whether it is installed; where it must be, its absence is an error. */
export const HAS_NGINX = NGINX !== undefined;
if (!HAS_NGINX) {
  const line = 'SKIPPED: the page behind nginx: `tools/install nginx` installs it.';
  if (process.env['CI']) throw new Error(line);
  console.error(line);
}

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export class Nginx {
  private constructor(
    private readonly child: ChildProcess,
    private readonly folder: string,
    /** The SHA-256 of its certificate's key, in base64: what Chromium knows a certificate by that it is to trust. */
    readonly spki: string,
  ) {}

  /** `headers` are what it tells the service of the call. It speaks HTTP/2 as well. */
  static async start(port: number, service: string, headers: Record<string, string>): Promise<Nginx> {
    const folder = await mkdtemp(join(tmpdir(), 'fleetmint-nginx-'));
    const path = (name: string): string => join(folder, name);
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', path('key.pem')];
    const subject = ['-days', '2', '-subj', '/CN=localhost', '-out', path('certificate.pem')];
    await promisify(execFile)('openssl', ['req', '-x509', ...key, ...subject]);
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (what) => `${what}_temp_path ${path(what)};`,
    );
    const passed = Object.entries(headers).map(([name, value]) => `proxy_set_header ${name} ${value};`);
    const configuration = `daemon off; master_process off; pid ${path('pid')}; events {}
      http {
        access_log off; ${temporary.join(' ')}
        server {
          listen 127.0.0.1:${port} ssl http2;
          ssl_certificate ${path('certificate.pem')}; ssl_certificate_key ${path('key.pem')};
          location / {
            proxy_pass ${service}; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_buffering on; proxy_max_temp_file_size 0; ${passed.join(' ')}
          }
        }
      }`;
    await writeFile(path('nginx.conf'), configuration);
    const child = spawn(NGINX!, ['-e', 'stderr', '-p', folder, '-c', path('nginx.conf')], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let errors = '';
    child.stderr.on('data', (part: Buffer) => (errors += part.toString()));
    for (let attempt = 0; !(await listens(port)); attempt += 1) {
      if (attempt === 200 || child.exitCode !== null) throw new Error(`nginx does not start: ${errors}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const { publicKey } = new X509Certificate(await readFile(path('certificate.pem')));
    const spki = createHash('sha256')
      .update(publicKey.export({ type: 'spki', format: 'der' }))
      .digest('base64');
    return new Nginx(child, folder, spki);
  }

  async stop(): Promise<void> {
    this.child.kill('SIGKILL');
    await rm(this.folder, { recursive: true, force: true });
  }
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
