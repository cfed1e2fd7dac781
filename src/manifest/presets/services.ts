import type { PackagePreset } from './preset.ts';

export const SERVICES: PackagePreset = {
  name: 'services',
  version: 1,
  says: 'services that customers see: an update restarts or changes them, so a person chooses the day',
  patterns: [
    { match: '^bind(9[.][0-9]+)?(-.*)?$', why: 'the name server' },
    { match: '^(unbound|knot|nsd|dnsmasq|pdns)(-.*)?$', why: 'other name servers' },
    { match: '^httpd(-.*)?$', why: "Apache's server" },
    { match: '^mod_.+$', why: 'its modules, which are built for one of its versions' },
    { match: '^nginx(-.*)?$', why: 'nginx and its modules' },
    {
      match: '^(haproxy|varnish|squid|keepalived)(-.*)?$',
      why: 'proxies, caches and who takes over from whom',
    },
    { match: '^mysql[0-9.]*(-.*)?$', why: 'MySQL; a new version may change the data on disk' },
    { match: '^(mariadb[0-9.]*|galera)(-.*)?$', why: 'MariaDB, likewise' },
    { match: '^(postgresql|percona-server)[0-9.]*(-.*)?$', why: 'PostgreSQL and Percona, likewise' },
    { match: '^(redis|valkey|memcached|mongodb|rabbitmq-server)(-.*)?$', why: 'stores and queues' },
    { match: '^(postfix|sendmail|exim|dovecot|cyrus-imapd)[0-9.]*(-.*)?$', why: 'mail servers' },
    {
      match: '^(openldap-servers|389-ds-base|ipa-server|krb5-server|freeradius)(-.*)?$',
      why: 'who may log in, everywhere',
    },
    { match: '^(samba|nfs-utils|vsftpd|nfs-ganesha)(-.*)?$', why: 'file servers' },
    { match: '^(tomcat[0-9]*|php[0-9.]*-fpm)(-.*)?$', why: 'application servers' },
    { match: '^(dhcp-server|kea)(-.*)?$', why: 'addresses' },
  ],
  except: [
    {
      match: '^(mysql|mariadb|postgresql)-connector-.+$',
      why: 'for clients, of a source package of its own',
    },
    { match: '^postgresql-(jdbc|odbc)(-.*)?$', why: 'likewise' },
  ],
};
