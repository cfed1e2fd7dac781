/** Where the examples say that things are; to be edited where they are elsewhere. */
const HOME = '/srv/sluice';

/** `examples/nginx.conf`: trees and package links never change; what names the current tree does. */
export function nginxConf(): string {
  return `# Serves the mirror. Put it into /etc/nginx/conf.d/, with the name and the path of your own.
server {
    listen 80;
    listen [::]:80;
    server_name mirror.example.com;

    root ${HOME}/mirror/public;
    autoindex on;
    etag on;
    sendfile on;
    disable_symlinks off;              # the pointers are symlinks
    default_type application/octet-stream;

    # A tree never changes once it is there, nor does a package: caches may keep both for ever.
    location ^~ /tree/ {
        expires 1y;
        add_header Cache-Control "public, immutable";
        types { text/xml xml; application/gzip gz; application/zstd zst; application/x-rpm rpm; }
    }
    location ^~ /packages/ {
        expires 1y;
        add_header Cache-Control "public, immutable";
        types { application/x-rpm rpm; }
    }

    # The one line that says which tree is the current one: asked for anew each time.
    location ~ ^/[^/]+/mirrorlist$ {
        add_header Cache-Control "no-cache";
        types { }
        default_type text/plain;
    }

    # The pointers themselves (/<repository>/, /at/<commit>/, /pr/<number>/) lead to whatever is current.
    location / {
        add_header Cache-Control "no-cache";
    }

    # The records from which everything can be published again, by checksum.
    location ^~ /catalog/ {
        alias ${HOME}/mirror/catalog/;
        expires 1y;
        add_header Cache-Control "public, immutable";
    }
}
`;
}

interface Job {
  readonly name: string;
  readonly description: string;
  readonly command: string;
  readonly calendar: string;
}

/** What happens by itself; each is harmless to repeat. */
function jobs(team: string): Job[] {
  return [
    {
      name: 'sluice-sync',
      description: 'Sluice: propose what upstream has that is new',
      command: 'sync --propose',
      calendar: '*-*-* 04:00:00',
    },
    {
      name: 'sluice-promote',
      description: 'Sluice: propose what has waited long enough',
      command: `promote --team ${team} --propose`,
      calendar: '*-*-* 06:00:00',
    },
    {
      name: 'sluice-renew',
      description: 'Sluice: propose to renew the holds that end within a week',
      command: `hold --renewals --team ${team} --propose`,
      calendar: '*-*-* 05:00:00',
    },
    {
      name: 'sluice-commands',
      description: 'Sluice: do what people asked for in comments and by tick boxes',
      command: 'commands',
      calendar: '*:3/10',
    },
    {
      name: 'sluice-dashboard',
      description: 'Sluice: keep the dashboard on GitHub up to date',
      command: 'dashboard --issue',
      calendar: '*-*-* 00/6:47:00',
    },
    {
      name: 'sluice-publish',
      description: 'Sluice: make the mirror serve what main says',
      command: 'publish',
      calendar: '*:0/5',
    },
    {
      name: 'sluice-mirror',
      description: 'Sluice: say of open pull requests what the mirror can serve of them',
      command: 'check --pulls',
      calendar: '*:2/5',
    },
  ];
}

/** `examples/sluice-*.service` and `.timer`, by path. */
export function systemdUnits(team: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const job of jobs(team)) {
    files.set(`examples/${job.name}.service`, service(job));
    files.set(`examples/${job.name}.timer`, timer(job));
  }
  files.set('examples/sluice-watch.service', WATCH);
  return files;
}

/** Instead of the timers of publishing and of pull requests' checks: it stays, and does both within a minute. */
const WATCH = service({
  description: 'Sluice: make the mirror serve what main says, as soon as it says so',
  command: 'publish --watch',
  type: `Type=notify
NotifyAccess=all
WatchdogSec=30min
Restart=on-failure
RestartSec=30
# What is under way is finished; where that takes longer it is cut off, and the next start finishes it.
TimeoutStopSec=10min
TimeoutStartSec=infinity`,
  end: `
[Install]
WantedBy=multi-user.target
`,
});

// MemoryDenyWriteExecute is not among them: Node compiles while it runs.
function service(
  job: Pick<Job, 'description' | 'command'> & { readonly type?: string; readonly end?: string },
): string {
  return `[Unit]
Description=${job.description}
Wants=network-online.target
After=network-online.target

[Service]
${job.type ?? 'Type=oneshot\nTimeoutStartSec=6h'}
User=sluice
Group=sluice
UMask=0022
WorkingDirectory=${HOME}/state
Environment=SLUICE_MIRROR=${HOME}/mirror
# What policies refer to ($NAME of auth and client), and proxies: NAME=value, one a line; chmod 600.
EnvironmentFile=-/etc/sluice/environment
ExecStart=${HOME}/state/node_modules/.bin/sluice ${job.command} --repo ${HOME}/state

NoNewPrivileges=yes
CapabilityBoundingSet=
ProtectSystem=strict
ReadWritePaths=${HOME}
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectControlGroups=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
${job.end ?? ''}`;
}

function timer(job: Job): string {
  return `[Unit]
Description=${job.description}

[Timer]
OnCalendar=${job.calendar}
Persistent=yes

[Install]
WantedBy=timers.target
`;
}
