/**
 * System calls of x86: numbers, names, kinds of arguments, and names of errors. Facts of the kernel's interface, the same
 * on every kernel that has the call; a number that is in none of the tables is shown as a number.
 */

/** Added to the number of a call of a 32-bit program: the numbers mean others there. */
export const COMPAT = 0x10000;

/** x86-64: number, name, one letter an argument: f file descriptor, s path, d number, x anything else. */
const NATIVE = `
0 read fxd, 1 write fxd, 2 open sxx, 3 close f, 4 stat sx, 5 fstat fx, 6 lstat sx, 7 poll xdd, 8 lseek fdx,
9 mmap xdxxfx, 10 mprotect xdx, 11 munmap xd, 12 brk x, 13 rt_sigaction dxxd, 14 rt_sigprocmask dxxd,
15 rt_sigreturn, 16 ioctl fxx, 17 pread64 fxdd, 18 pwrite64 fxdd, 19 readv fxd, 20 writev fxd, 21 access sd,
22 pipe x, 23 select dxxxx, 24 sched_yield, 25 mremap xxxxx, 26 msync xdx, 27 mincore xdx, 28 madvise xdd,
29 shmget xdd, 30 shmat dxd, 31 shmctl ddx, 32 dup f, 33 dup2 ff, 34 pause, 35 nanosleep xx,
36 getitimer dx, 37 alarm x, 38 setitimer dxx, 39 getpid, 40 sendfile ffxd, 41 socket ddd, 42 connect fxd,
43 accept fxx, 44 sendto fxdxxd, 45 recvfrom fxdxxx, 46 sendmsg fxx, 47 recvmsg fxx, 48 shutdown fd,
49 bind fxd, 50 listen fd, 51 getsockname fxx, 52 getpeername fxx, 53 socketpair dddx, 54 setsockopt fddxd,
55 getsockopt fddxx, 56 clone xxxxx, 57 fork, 58 vfork, 59 execve sxx, 60 exit d, 61 wait4 dxdx, 62 kill dd,
63 uname x, 64 semget xdd, 65 semop dxx, 66 semctl dddx, 67 shmdt x, 68 msgget xd, 69 msgsnd dxdd,
70 msgrcv dxddd, 71 msgctl ddx, 72 fcntl fxx, 73 flock fx, 74 fsync f, 75 fdatasync f, 76 truncate sd,
77 ftruncate fd, 78 getdents fxd, 79 getcwd xd, 80 chdir s, 81 fchdir f, 82 rename ss, 83 mkdir sx,
84 rmdir s, 85 creat sx, 86 link ss, 87 unlink s, 88 symlink ss, 89 readlink sxd, 90 chmod sx, 91 fchmod fx,
92 chown sdd, 93 fchown fdd, 94 lchown sdd, 95 umask d, 96 gettimeofday xx, 97 getrlimit xx,
98 getrusage dx, 99 sysinfo x, 100 times x, 101 ptrace ddxx, 102 getuid, 103 syslog dxd, 104 getgid,
105 setuid d, 106 setgid d, 107 geteuid, 108 getegid, 109 setpgid dd, 110 getppid, 111 getpgrp, 112 setsid,
113 setreuid dd, 114 setregid dd, 115 getgroups dx, 116 setgroups dx, 117 setresuid ddd, 118 getresuid xxx,
119 setresgid ddd, 120 getresgid xxx, 121 getpgid d, 122 setfsuid d, 123 setfsgid d, 124 getsid d,
125 capget xx, 126 capset xx, 127 rt_sigpending xd, 128 rt_sigtimedwait xxxd, 129 rt_sigqueueinfo ddx,
130 rt_sigsuspend xd, 131 sigaltstack xx, 132 utime sx, 133 mknod sxx, 134 uselib s, 135 personality x,
136 ustat xx, 137 statfs sx, 138 fstatfs fx, 139 sysfs dxx, 140 getpriority dd, 141 setpriority ddd,
142 sched_setparam dx, 143 sched_getparam dx, 144 sched_setscheduler ddx, 145 sched_getscheduler d,
146 sched_get_priority_max d, 147 sched_get_priority_min d, 148 sched_rr_get_interval dx, 149 mlock xd,
150 munlock xd, 151 mlockall x, 152 munlockall, 153 vhangup, 154 modify_ldt dxx, 155 pivot_root xx,
156 _sysctl, 157 prctl dxxxx, 158 arch_prctl dx, 159 adjtimex x, 160 setrlimit xx, 161 chroot s, 162 sync,
163 acct s, 164 settimeofday xx, 165 mount ssxxx, 166 umount2 sx, 167 swapon xx, 168 swapoff x,
169 reboot ddxx, 170 sethostname xd, 171 setdomainname xd, 172 iopl x, 173 ioperm xxd, 174 create_module,
175 init_module xdx, 176 delete_module sx, 177 get_kernel_syms, 178 query_module, 179 quotactl xxxx,
180 nfsservctl, 181 getpmsg, 182 putpmsg, 183 afs_syscall, 184 tuxcall, 185 security, 186 gettid,
187 readahead fdd, 188 setxattr sxxdx, 189 lsetxattr sxxdx, 190 fsetxattr fxxdx, 191 getxattr sxxd,
192 lgetxattr sxxd, 193 fgetxattr fxxd, 194 listxattr sxd, 195 llistxattr sxd, 196 flistxattr fxd,
197 removexattr sx, 198 lremovexattr sx, 199 fremovexattr fx, 200 tkill dd, 201 time x, 202 futex xdxxxx,
203 sched_setaffinity ddx, 204 sched_getaffinity ddx, 205 set_thread_area x, 206 io_setup xx,
207 io_destroy d, 208 io_getevents dddxx, 209 io_submit ddx, 210 io_cancel dxx, 211 get_thread_area x,
212 lookup_dcookie xxd, 213 epoll_create d, 214 epoll_ctl_old, 215 epoll_wait_old,
216 remap_file_pages xdxxx, 217 getdents64 fxd, 218 set_tid_address x, 219 restart_syscall,
220 semtimedop dxxx, 221 fadvise64 fddd, 222 timer_create xxx, 223 timer_settime dxxx, 224 timer_gettime dx,
225 timer_getoverrun d, 226 timer_delete d, 227 clock_settime xx, 228 clock_gettime xx, 229 clock_getres xx,
230 clock_nanosleep xxxx, 231 exit_group d, 232 epoll_wait fxdd, 233 epoll_ctl fdfx, 234 tgkill ddd,
235 utimes sx, 236 vserver, 237 mbind xdxxxx, 238 set_mempolicy dxx, 239 get_mempolicy xxxxx,
240 mq_open sxxx, 241 mq_unlink s, 242 mq_timedsend fxdxx, 243 mq_timedreceive fxdxx, 244 mq_notify fx,
245 mq_getsetattr fxx, 246 kexec_load xdxx, 247 waitid ddxdx, 248 add_key xxxdd, 249 request_key xxxd,
250 keyctl dxxxx, 251 ioprio_set ddd, 252 ioprio_get dd, 253 inotify_init, 254 inotify_add_watch fsx,
255 inotify_rm_watch fx, 256 migrate_pages dxxx, 257 openat fsxx, 258 mkdirat fsx, 259 mknodat fsxx,
260 fchownat fsddx, 261 futimesat fsx, 262 newfstatat fsxx, 263 unlinkat fsx, 264 renameat fsfs,
265 linkat fsfsx, 266 symlinkat sfs, 267 readlinkat fsxd, 268 fchmodat fsx, 269 faccessat fsd,
270 pselect6 dxxxxx, 271 ppoll xdxxd, 272 unshare x, 273 set_robust_list xd, 274 get_robust_list dxx,
275 splice fxfxdx, 276 tee ffdx, 277 sync_file_range fddx, 278 vmsplice fxxx, 279 move_pages dxxxxx,
280 utimensat fsxx, 281 epoll_pwait fxddxd, 282 signalfd fxd, 283 timerfd_create dx, 284 eventfd d,
285 fallocate fddd, 286 timerfd_settime fxxx, 287 timerfd_gettime fx, 288 accept4 fxxx, 289 signalfd4 fxdx,
290 eventfd2 dx, 291 epoll_create1 x, 292 dup3 ffx, 293 pipe2 xx, 294 inotify_init1 x, 295 preadv fxddx,
296 pwritev fxddx, 297 rt_tgsigqueueinfo dddx, 298 perf_event_open xddfx, 299 recvmmsg fxdxx,
300 fanotify_init xx, 301 fanotify_mark fxxfs, 302 prlimit64 dxxx, 303 name_to_handle_at fsxxx,
304 open_by_handle_at fxx, 305 clock_adjtime xx, 306 syncfs f, 307 sendmmsg fxdx, 308 setns fx,
309 getcpu xxx, 310 process_vm_readv dxxxxx, 311 process_vm_writev dxxxxx, 312 kcmp dddxx,
313 finit_module fxx, 314 sched_setattr dxx, 315 sched_getattr dxdx, 316 renameat2 fsfsx, 317 seccomp xxx,
318 getrandom xdx, 319 memfd_create xx, 320 kexec_file_load ffdxx, 321 bpf dxd, 322 execveat fsxxx,
323 userfaultfd x, 324 membarrier dxd, 325 mlock2 xdx, 326 copy_file_range fxfxdx, 327 preadv2 fxddxx,
328 pwritev2 fxddxx, 329 pkey_mprotect xdxd, 330 pkey_alloc xx, 331 pkey_free d, 332 statx fsxxx,
333 io_pgetevents dddxxx, 334 rseq xxxx, 335 uretprobe, 336 uprobe, 424 pidfd_send_signal fdxx,
425 io_uring_setup xx, 426 io_uring_enter fddxxd, 427 io_uring_register fxxd, 428 open_tree fsx,
429 move_mount fsfsx, 430 fsopen xx, 431 fsconfig fxxxd, 432 fsmount fxx, 433 fspick fsx, 434 pidfd_open dx,
435 clone3 xd, 436 close_range fxx, 437 openat2 fsxd, 438 pidfd_getfd ffx, 439 faccessat2 fsdx,
440 process_madvise fxddx, 441 epoll_pwait2 fxdxxd, 442 mount_setattr fsxxd, 443 quotactl_fd fxxx,
444 landlock_create_ruleset xdx, 445 landlock_add_rule fxxx, 446 landlock_restrict_self fx,
447 memfd_secret x, 448 process_mrelease fx, 449 futex_waitv xxxxd, 450 set_mempolicy_home_node xdxx,
451 cachestat fxxx, 452 fchmodat2 fsxx, 453 map_shadow_stack xdx, 454 futex_wake xxdx,
455 futex_wait xxxxxd, 456 futex_requeue xxdd, 457 statmount xxdx, 458 listmount xxdx,
459 lsm_get_self_attr xxxx, 460 lsm_set_self_attr xxdx, 461 lsm_list_modules xxx, 462 mseal xdx,
463 setxattrat fsxxxd, 464 getxattrat fsxxxd, 465 listxattrat fsxxd, 466 removexattrat fsxx,
467 open_tree_attr fsxxd, 468 file_getattr fsxdx, 469 file_setattr fsxdx`;

/** i386: number, name. */
const I386 = `
0 restart_syscall, 1 exit, 2 fork, 3 read, 4 write, 5 open, 6 close, 7 waitpid, 8 creat, 9 link, 10 unlink,
11 execve, 12 chdir, 13 time, 14 mknod, 15 chmod, 16 lchown, 17 break, 18 oldstat, 19 lseek, 20 getpid,
21 mount, 22 umount, 23 setuid, 24 getuid, 25 stime, 26 ptrace, 27 alarm, 28 oldfstat, 29 pause, 30 utime,
31 stty, 32 gtty, 33 access, 34 nice, 35 ftime, 36 sync, 37 kill, 38 rename, 39 mkdir, 40 rmdir, 41 dup,
42 pipe, 43 times, 44 prof, 45 brk, 46 setgid, 47 getgid, 48 signal, 49 geteuid, 50 getegid, 51 acct,
52 umount2, 53 lock, 54 ioctl, 55 fcntl, 56 mpx, 57 setpgid, 58 ulimit, 59 oldolduname, 60 umask, 61 chroot,
62 ustat, 63 dup2, 64 getppid, 65 getpgrp, 66 setsid, 67 sigaction, 68 sgetmask, 69 ssetmask, 70 setreuid,
71 setregid, 72 sigsuspend, 73 sigpending, 74 sethostname, 75 setrlimit, 76 getrlimit, 77 getrusage,
78 gettimeofday, 79 settimeofday, 80 getgroups, 81 setgroups, 82 select, 83 symlink, 84 oldlstat,
85 readlink, 86 uselib, 87 swapon, 88 reboot, 89 readdir, 90 mmap, 91 munmap, 92 truncate, 93 ftruncate,
94 fchmod, 95 fchown, 96 getpriority, 97 setpriority, 98 profil, 99 statfs, 100 fstatfs, 101 ioperm,
102 socketcall, 103 syslog, 104 setitimer, 105 getitimer, 106 stat, 107 lstat, 108 fstat, 109 olduname,
110 iopl, 111 vhangup, 112 idle, 113 vm86old, 114 wait4, 115 swapoff, 116 sysinfo, 117 ipc, 118 fsync,
119 sigreturn, 120 clone, 121 setdomainname, 122 uname, 123 modify_ldt, 124 adjtimex, 125 mprotect,
126 sigprocmask, 127 create_module, 128 init_module, 129 delete_module, 130 get_kernel_syms, 131 quotactl,
132 getpgid, 133 fchdir, 134 bdflush, 135 sysfs, 136 personality, 137 afs_syscall, 138 setfsuid,
139 setfsgid, 140 _llseek, 141 getdents, 142 _newselect, 143 flock, 144 msync, 145 readv, 146 writev,
147 getsid, 148 fdatasync, 149 _sysctl, 150 mlock, 151 munlock, 152 mlockall, 153 munlockall,
154 sched_setparam, 155 sched_getparam, 156 sched_setscheduler, 157 sched_getscheduler, 158 sched_yield,
159 sched_get_priority_max, 160 sched_get_priority_min, 161 sched_rr_get_interval, 162 nanosleep,
163 mremap, 164 setresuid, 165 getresuid, 166 vm86, 167 query_module, 168 poll, 169 nfsservctl,
170 setresgid, 171 getresgid, 172 prctl, 173 rt_sigreturn, 174 rt_sigaction, 175 rt_sigprocmask,
176 rt_sigpending, 177 rt_sigtimedwait, 178 rt_sigqueueinfo, 179 rt_sigsuspend, 180 pread64, 181 pwrite64,
182 chown, 183 getcwd, 184 capget, 185 capset, 186 sigaltstack, 187 sendfile, 188 getpmsg, 189 putpmsg,
190 vfork, 191 ugetrlimit, 192 mmap2, 193 truncate64, 194 ftruncate64, 195 stat64, 196 lstat64, 197 fstat64,
198 lchown32, 199 getuid32, 200 getgid32, 201 geteuid32, 202 getegid32, 203 setreuid32, 204 setregid32,
205 getgroups32, 206 setgroups32, 207 fchown32, 208 setresuid32, 209 getresuid32, 210 setresgid32,
211 getresgid32, 212 chown32, 213 setuid32, 214 setgid32, 215 setfsuid32, 216 setfsgid32, 217 pivot_root,
218 mincore, 219 madvise, 220 getdents64, 221 fcntl64, 224 gettid, 225 readahead, 226 setxattr,
227 lsetxattr, 228 fsetxattr, 229 getxattr, 230 lgetxattr, 231 fgetxattr, 232 listxattr, 233 llistxattr,
234 flistxattr, 235 removexattr, 236 lremovexattr, 237 fremovexattr, 238 tkill, 239 sendfile64, 240 futex,
241 sched_setaffinity, 242 sched_getaffinity, 243 set_thread_area, 244 get_thread_area, 245 io_setup,
246 io_destroy, 247 io_getevents, 248 io_submit, 249 io_cancel, 250 fadvise64, 252 exit_group,
253 lookup_dcookie, 254 epoll_create, 255 epoll_ctl, 256 epoll_wait, 257 remap_file_pages,
258 set_tid_address, 259 timer_create, 260 timer_settime, 261 timer_gettime, 262 timer_getoverrun,
263 timer_delete, 264 clock_settime, 265 clock_gettime, 266 clock_getres, 267 clock_nanosleep, 268 statfs64,
269 fstatfs64, 270 tgkill, 271 utimes, 272 fadvise64_64, 273 vserver, 274 mbind, 275 get_mempolicy,
276 set_mempolicy, 277 mq_open, 278 mq_unlink, 279 mq_timedsend, 280 mq_timedreceive, 281 mq_notify,
282 mq_getsetattr, 283 kexec_load, 284 waitid, 286 add_key, 287 request_key, 288 keyctl, 289 ioprio_set,
290 ioprio_get, 291 inotify_init, 292 inotify_add_watch, 293 inotify_rm_watch, 294 migrate_pages,
295 openat, 296 mkdirat, 297 mknodat, 298 fchownat, 299 futimesat, 300 fstatat64, 301 unlinkat,
302 renameat, 303 linkat, 304 symlinkat, 305 readlinkat, 306 fchmodat, 307 faccessat, 308 pselect6,
309 ppoll, 310 unshare, 311 set_robust_list, 312 get_robust_list, 313 splice, 314 sync_file_range, 315 tee,
316 vmsplice, 317 move_pages, 318 getcpu, 319 epoll_pwait, 320 utimensat, 321 signalfd, 322 timerfd_create,
323 eventfd, 324 fallocate, 325 timerfd_settime, 326 timerfd_gettime, 327 signalfd4, 328 eventfd2,
329 epoll_create1, 330 dup3, 331 pipe2, 332 inotify_init1, 333 preadv, 334 pwritev, 335 rt_tgsigqueueinfo,
336 perf_event_open, 337 recvmmsg, 338 fanotify_init, 339 fanotify_mark, 340 prlimit64,
341 name_to_handle_at, 342 open_by_handle_at, 343 clock_adjtime, 344 syncfs, 345 sendmmsg, 346 setns,
347 process_vm_readv, 348 process_vm_writev, 349 kcmp, 350 finit_module, 351 sched_setattr,
352 sched_getattr, 353 renameat2, 354 seccomp, 355 getrandom, 356 memfd_create, 357 bpf, 358 execveat,
359 socket, 360 socketpair, 361 bind, 362 connect, 363 listen, 364 accept4, 365 getsockopt, 366 setsockopt,
367 getsockname, 368 getpeername, 369 sendto, 370 sendmsg, 371 recvfrom, 372 recvmsg, 373 shutdown,
374 userfaultfd, 375 membarrier, 376 mlock2, 377 copy_file_range, 378 preadv2, 379 pwritev2,
380 pkey_mprotect, 381 pkey_alloc, 382 pkey_free, 383 statx, 384 arch_prctl, 385 io_pgetevents, 386 rseq,
393 semget, 394 semctl, 395 shmget, 396 shmctl, 397 shmat, 398 shmdt, 399 msgget, 400 msgsnd, 401 msgrcv,
402 msgctl, 403 clock_gettime64, 404 clock_settime64, 405 clock_adjtime64, 406 clock_getres_time64,
407 clock_nanosleep_time64, 408 timer_gettime64, 409 timer_settime64, 410 timerfd_gettime64,
411 timerfd_settime64, 412 utimensat_time64, 413 pselect6_time64, 414 ppoll_time64,
416 io_pgetevents_time64, 417 recvmmsg_time64, 418 mq_timedsend_time64, 419 mq_timedreceive_time64,
420 semtimedop_time64, 421 rt_sigtimedwait_time64, 422 futex_time64, 423 sched_rr_get_interval_time64,
424 pidfd_send_signal, 425 io_uring_setup, 426 io_uring_enter, 427 io_uring_register, 428 open_tree,
429 move_mount, 430 fsopen, 431 fsconfig, 432 fsmount, 433 fspick, 434 pidfd_open, 435 clone3,
436 close_range, 437 openat2, 438 pidfd_getfd, 439 faccessat2, 440 process_madvise, 441 epoll_pwait2,
442 mount_setattr, 443 quotactl_fd, 444 landlock_create_ruleset, 445 landlock_add_rule,
446 landlock_restrict_self, 447 memfd_secret, 448 process_mrelease, 449 futex_waitv,
450 set_mempolicy_home_node, 451 cachestat, 452 fchmodat2, 454 futex_wake, 455 futex_wait,
456 futex_requeue, 457 statmount, 458 listmount, 459 lsm_get_self_attr, 460 lsm_set_self_attr,
461 lsm_list_modules, 462 mseal, 463 setxattrat, 464 getxattrat, 465 listxattrat, 466 removexattrat,
467 open_tree_attr, 468 file_getattr, 469 file_setattr`;

/** Numbers 1 to 133 in their order; EWOULDBLOCK and EDEADLOCK are other words for 11 and 35. */
const ERRORS = `
EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY EEXIST EXDEV
ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK
ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY ELOOP 41 ENOMSG EIDRM ECHRNG EL2NSYNC EL3HLT EL3RST ELNRNG EUNATCH ENOCSI EL2HLT
EBADE EBADR EXFULL ENOANO EBADRQC EBADSLT 58 EBFONT ENOSTR ENODATA ETIME ENOSR ENONET ENOPKG EREMOTE ENOLINK EADV ESRMNT
ECOMM EPROTO EMULTIHOP EDOTDOT EBADMSG EOVERFLOW ENOTUNIQ EBADFD EREMCHG ELIBACC ELIBBAD ELIBSCN ELIBMAX ELIBEXEC EILSEQ
ERESTART ESTRPIPE EUSERS ENOTSOCK EDESTADDRREQ EMSGSIZE EPROTOTYPE ENOPROTOOPT EPROTONOSUPPORT ESOCKTNOSUPPORT EOPNOTSUPP
EPFNOSUPPORT EAFNOSUPPORT EADDRINUSE EADDRNOTAVAIL ENETDOWN ENETUNREACH ENETRESET ECONNABORTED ECONNRESET ENOBUFS EISCONN
ENOTCONN ESHUTDOWN ETOOMANYREFS ETIMEDOUT ECONNREFUSED EHOSTDOWN EHOSTUNREACH EALREADY EINPROGRESS ESTALE EUCLEAN ENOTNAM
ENAVAIL EISNAM EREMOTEIO EDQUOT ENOMEDIUM EMEDIUMTYPE ECANCELED ENOKEY EKEYEXPIRED EKEYREVOKED EKEYREJECTED EOWNERDEAD
ENOTRECOVERABLE ERFKILL EHWPOISON`;

/** Inside the kernel only: a signal interrupted the call, which may begin again. */
const RESTARTS: Readonly<Record<number, string>> = {
  512: 'ERESTARTSYS',
  513: 'ERESTARTNOINTR',
  514: 'ERESTARTNOHAND',
  515: 'ENOIOCTLCMD',
  516: 'ERESTART_RESTARTBLOCK',
  517: 'EPROBE_DEFER',
  524: 'ENOTSUPP',
};

/** Calls that wait for something outside by nature: a long one says nothing. */
const WAITING = `
poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 epoll_wait epoll_wait_old epoll_pwait epoll_pwait2
futex futex_time64 futex_wait futex_waitv nanosleep clock_nanosleep clock_nanosleep_time64 pause wait4 waitid waitpid
rt_sigsuspend sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 accept accept4 io_getevents io_pgetevents
io_pgetevents_time64 io_uring_enter msgrcv semop semtimedop semtimedop_time64 mq_timedreceive mq_timedreceive_time64
restart_syscall`;

interface Call {
  readonly number: number;
  /** As in the kernel; those of 32-bit programs with `/32` behind it. */
  readonly name: string;
  readonly base: string;
  readonly args: string;
}

const entries = (text: string): string[][] =>
  text
    .trim()
    .split(/,\s*/)
    .map((entry) => entry.split(' '));

const native: readonly Call[] = entries(NATIVE).map(([number, base = '', args = '']) => ({
  number: Number(number),
  name: base,
  base,
  args,
}));
const argsOf = new Map(native.map(({ base, args }) => [base, args]));
const compat: readonly Call[] = entries(I386).map(([number, base = '']) => ({
  number: COMPAT + Number(number),
  name: `${base}/32`,
  base,
  // A 64-bit number takes two arguments there, so only what comes before the first number is sure.
  args: (argsOf.get(base) ?? argsOf.get(base.replace(/64$/, '')))?.replace(/d.*$/, '') ?? '',
}));

const all: readonly Call[] = [...native, ...compat];
const byName = new Map(all.map((call) => [call.name, call]));
const waiting = new Set(WAITING.trim().split(/\s+/));

/** Number → name, of both kinds of programs. */
export const CALL_NAMES: Readonly<Record<number, string>> = Object.fromEntries(
  all.map(({ number, name }) => [number, name]),
);

/** Number → name of an error. */
export const ERROR_NAMES: Readonly<Record<number, string>> = {
  ...Object.fromEntries(
    ERRORS.trim()
      .split(/\s+/)
      .map((name, index) => [index + 1, name]),
  ),
  ...RESTARTS,
};

/** What -e may say: the names, without regard to the kind of program. */
export const CALL_WORDS: readonly string[] = [...new Set(all.map(({ base }) => base))].sort();

/** Numbers of a call, those of 32-bit programs from COMPAT on. */
export const numbersOf = (base: string): number[] =>
  all.filter((call) => call.base === base).map(({ number }) => number);

export const WAITING_NUMBERS: readonly number[] = all
  .filter(({ base }) => waiting.has(base))
  .map(({ number }) => number);

/** Letters of the arguments of a call by its name, `''` when not known. */
export const argumentsOf = (name: string): string => byName.get(name)?.args ?? '';

/** Numbers of the calls whose argument `index` is of this kind. */
export const numbersWith = (letter: string, index: number): number[] =>
  all.filter(({ args }) => args[index] === letter).map(({ number }) => number);
