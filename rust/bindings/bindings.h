/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What bindgen reads: the kernel headers that rnfs4 uses beyond those of the kernel crate.
 *
 * Types that kernel::bindings defines in full are not generated again (scripts/bindgen-known-types), so a
 * struct file or struct inode is one type in both crates.
 */
#ifndef RNFS4_BINDINGS_H
#define RNFS4_BINDINGS_H

#include <linux/backing-dev.h>
#include <linux/compaction.h>
#include <linux/completion.h>
#include <linux/cred.h>
#include <linux/dcache.h>
#include <linux/errseq.h>
#include <linux/exportfs.h>
#include <linux/falloc.h>
#include <linux/fileattr.h>
#include <linux/filelock.h>
#include <linux/fs.h>
#include <linux/fs_context.h>
#include <linux/fs_parser.h>
#include <linux/fs_struct.h>
#include <linux/iversion.h>
#include <linux/key-type.h>
#include <linux/keyctl.h>
#include <linux/kthread.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/nfs4.h>
#include <linux/pagemap.h>
#include <linux/folio_batch.h>
#include <linux/random.h>
#include <linux/ratelimit.h>
#include <linux/rmap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/splice.h>
#include <linux/statfs.h>
#include <linux/swap.h>
#include <linux/sunrpc/addr.h>
#include <linux/sunrpc/clnt.h>
#include <linux/sunrpc/metrics.h>
#include <linux/sunrpc/sched.h>
#include <linux/sunrpc/stats.h>
#include <linux/sunrpc/xdr.h>
#include <linux/sunrpc/xprt.h>
#include <linux/sunrpc/xprtsock.h>
#include <linux/task_io_accounting_ops.h>
#include <linux/time64.h>
#include <linux/uio.h>
#include <linux/utsname.h>
#include <linux/vmstat.h>
#include <linux/workqueue.h>
#include <linux/writeback.h>
#include <linux/xattr.h>
#include <keys/user-type.h>
#include <net/net_namespace.h>

#include "trace_calls.h"

/*
 * Constants that bindgen cannot evaluate from their macros; the build takes the prefix off their names. These are the bits of
 * f_mode and ki_flags.
 */
static const fmode_t RNFS4_CONST_FMODE_CAN_ODIRECT = FMODE_CAN_ODIRECT;
static const fmode_t RNFS4_CONST_FMODE_READ = FMODE_READ;
static const fmode_t RNFS4_CONST_FMODE_WRITE = FMODE_WRITE;
static const int RNFS4_CONST_IOCB_APPEND = IOCB_APPEND;
static const int RNFS4_CONST_IOCB_SYNC = IOCB_SYNC;

/* The same for flags that are written with BIT() or a cast. */
static const unsigned int RNFS4_CONST_FL_ACCESS = FL_ACCESS;
static const unsigned int RNFS4_CONST_FL_CLOSE = FL_CLOSE;
static const unsigned int RNFS4_CONST_FL_EXISTS = FL_EXISTS;
static const unsigned int RNFS4_CONST_FL_FLOCK = FL_FLOCK;
static const unsigned int RNFS4_CONST_FL_RECLAIM = FL_RECLAIM;
static const unsigned int RNFS4_CONST_FL_SLEEP = FL_SLEEP;
static const unsigned int RNFS4_CONST_FMODE_EXEC = (__force unsigned int)FMODE_EXEC;
static const unsigned int RNFS4_CONST_FMODE_CREATED = (__force unsigned int)FMODE_CREATED;
static const unsigned int RNFS4_CONST_FOP_DONTCACHE = (__force unsigned int)FOP_DONTCACHE;
static const int RNFS4_CONST_fs_value_is_flag = fs_value_is_flag;
static const int RNFS4_CONST_fs_value_is_string = fs_value_is_string;
static const unsigned int RNFS4_CONST_LOOKUP_CREATE = LOOKUP_CREATE;
static const unsigned int RNFS4_CONST_LOOKUP_EXCL = LOOKUP_EXCL;
static const unsigned int RNFS4_CONST_LOOKUP_OPEN = LOOKUP_OPEN;
static const unsigned int RNFS4_CONST_LOOKUP_RCU = LOOKUP_RCU;
static const unsigned int RNFS4_CONST_LOOKUP_RENAME_TARGET = LOOKUP_RENAME_TARGET;
static const unsigned int RNFS4_CONST_LOOKUP_REVAL = LOOKUP_REVAL;
static const unsigned int RNFS4_CONST_SB_ACTIVE = SB_ACTIVE;
static const unsigned int RNFS4_CONST_SB_RDONLY = SB_RDONLY;
static const unsigned int RNFS4_CONST_SB_SYNCHRONOUS = SB_SYNCHRONOUS;

/* What the C compiler lays out, for rnfs4_bindings.rs to compare with what Rust does. */
#define RNFS4_LAYOUT(type, last)							\
	static const unsigned long RNFS4_CONST_SIZEOF_##type = sizeof(struct type);	\
	static const unsigned long RNFS4_CONST_OFFSETOF_##type = offsetof(struct type, last)

RNFS4_LAYOUT(address_space_operations, migrate_folio);
RNFS4_LAYOUT(dentry, d_fsdata);
RNFS4_LAYOUT(dentry_operations, d_real);
RNFS4_LAYOUT(file, private_data);
RNFS4_LAYOUT(file_operations, remap_file_range);
RNFS4_LAYOUT(file_system_type, i_mutex_dir_key);
RNFS4_LAYOUT(fs_context, sb_flags_mask);
RNFS4_LAYOUT(fs_parameter, size);
RNFS4_LAYOUT(inode, i_private);
RNFS4_LAYOUT(inode_operations, fileattr_get);
RNFS4_LAYOUT(kiocb, ki_flags);
RNFS4_LAYOUT(rpc_call_ops, rpc_release);
RNFS4_LAYOUT(rpc_create_args, reconnect_timeout);
RNFS4_LAYOUT(rpc_procinfo, p_name);
RNFS4_LAYOUT(rpc_rqst, rq_rcv_buf);
RNFS4_LAYOUT(rpc_task, tk_rpc_status);
RNFS4_LAYOUT(rpc_task_setup, priority);
RNFS4_LAYOUT(rpc_wait_queue, qlen);
RNFS4_LAYOUT(super_block, s_fs_info);
RNFS4_LAYOUT(super_operations, umount_begin);
RNFS4_LAYOUT(writeback_control, range_end);
RNFS4_LAYOUT(xdr_buf, len);
RNFS4_LAYOUT(xdr_stream, rqst);

#endif
