// SPDX-License-Identifier: GPL-2.0

unsigned int rnfs4_helper_memalloc_nofs_save(void)
{
	return memalloc_nofs_save();
}

void rnfs4_helper_memalloc_nofs_restore(unsigned int flags)
{
	memalloc_nofs_restore(flags);
}

struct net *rnfs4_helper_get_net(struct net *net)
{
	return get_net(net);
}

void rnfs4_helper_put_net(struct net *net)
{
	put_net(net);
}

void rnfs4_helper_nodename(char *buf, size_t len)
{
	strscpy(buf, utsname()->nodename, len);
}

const struct cred *rnfs4_helper_get_current_cred(void)
{
	return get_current_cred();
}

int rnfs4_helper_current_umask(void)
{
	return current_umask();
}

bool rnfs4_helper_fatal_signal_pending(struct task_struct *task)
{
	return fatal_signal_pending(task);
}

void rnfs4_helper_init_waitqueue_head(struct wait_queue_head *wq)
{
	init_waitqueue_head(wq);
}

struct workqueue_struct *rnfs4_helper_alloc_workqueue(const char *name)
{
	return alloc_workqueue("%s", WQ_MEM_RECLAIM | WQ_UNBOUND, 0, name);
}

void rnfs4_helper_flush_workqueue(struct workqueue_struct *wq)
{
	__flush_workqueue(wq);
}

struct task_struct *rnfs4_helper_kthread_run(int (*fn)(void *data), void *data, const char *name)
{
	return kthread_run(fn, data, "%s", name);
}

unsigned int rnfs4_helper_net_inum(const struct net *net)
{
	return net->ns.inum;
}

void rnfs4_helper_ratelimit_default_init(struct ratelimit_state *rs)
{
	ratelimit_default_init(rs);
}

bool rnfs4_helper_current_is_exiting(void)
{
	return current->flags & PF_EXITING;
}

bool rnfs4_helper_current_was_killed(void)
{
	/* The status as wait() shows it: the low bits are the signal. */
	return current->flags & PF_EXITING && current->signal->group_exit_code & 0x7f;
}

bool rnfs4_helper_current_is_nofs(void)
{
	return current->flags & (PF_MEMALLOC | PF_MEMALLOC_NOFS | PF_MEMALLOC_NOIO);
}

const struct cred *rnfs4_helper_override_creds(const struct cred *cred)
{
	return override_creds(cred);
}

void rnfs4_helper_revert_creds(const struct cred *cred)
{
	revert_creds(cred);
}

const struct user_key_payload *rnfs4_helper_user_key_payload_rcu(const struct key *key)
{
	return user_key_payload_rcu(key);
}
