import type { PackagePreset } from './preset.ts';

export const KERNEL_SPACE: PackagePreset = {
  name: 'kernel-space',
  version: 1,
  says: 'the kernel and what is built for one: a host that gets them wrong does not come up, or comes up without its disks or network',
  patterns: [
    {
      match: '^kernel(-.*)?$',
      why: 'kernels with their parts and variants (-rt, -64k, -uek, -lt, -ml, -default)',
    },
    { match: '^kmod-.+$', why: 'modules that are built beforehand, of the distribution, ELRepo and vendors' },
    { match: '^akmods?(-.+)?$', why: 'modules that are built when a host boots' },
    {
      match: '^(.+-)?dkms(-.*)?$',
      why: 'modules that are built when a kernel is installed, and what builds them',
    },
    { match: '^.+-kmod(-.*)?$', why: "RPM Fusion's and NVIDIA's names of modules" },
    { match: '^.+-kmp(-.*)?$', why: "SUSE's name of modules" },
    { match: '^kpatch-patch-.+$', why: 'live patches: each is for one kernel' },
    {
      match: '^(zfs|libzfs[0-9]*|libzpool[0-9]*|libnvpair[0-9]*|libuutil[0-9]*|spl)(-.*)?$',
      why: 'ZFS: tools and module must agree',
    },
    { match: '^lustre(-.*)?$', why: 'Lustre: client and server speak one version' },
    {
      match: '^(beegfs-client|gpfs[.]|openafs|drbd)(.*)$',
      why: 'other file systems and block devices with a module of their own',
    },
    { match: '^(mlnx|mlx)(-.*)?$', why: "NVIDIA's InfiniBand and Ethernet drivers (OFED)" },
    {
      match: '^(mlnx-ofa_kernel|ofed-scripts|isert|iser|srp|knem|xpmem)(-.*)?$',
      why: 'the modules of OFED and what is built with them',
    },
    {
      match: '^(nvidia|libnvidia|cuda-drivers)(-.*)?$',
      why: "NVIDIA's driver: the libraries must be those of the module",
    },
    { match: '^(VirtualBox|vmware|iomemory-vsl)(-.*)?$', why: 'other vendors with modules' },
  ],
  except: [
    { match: '^kmod-libs$', why: 'belongs to kmod, the programs that load modules' },
    { match: '^kernel-srpm-macros$', why: 'macros for building packages' },
  ],
};
