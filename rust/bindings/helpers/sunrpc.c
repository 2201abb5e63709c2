// SPDX-License-Identifier: GPL-2.0

unsigned int rnfs4_helper_xdr_stream_remaining(const struct xdr_stream *xdr)
{
	return xdr_stream_remaining(xdr);
}

void rnfs4_helper_xdr_set_scratch_buffer(struct xdr_stream *xdr, void *buf, size_t len)
{
	xdr_set_scratch_buffer(xdr, buf, len);
}

void rnfs4_helper_rpc_set_port(struct sockaddr *sap, unsigned short port)
{
	rpc_set_port(sap, port);
}

unsigned short rnfs4_helper_rpc_get_port(const struct sockaddr *sap)
{
	return rpc_get_port(sap);
}

bool rnfs4_helper_rpc_cmp_addr_port(const struct sockaddr *a, const struct sockaddr *b)
{
	return rpc_cmp_addr_port(a, b);
}

/* Whether the connection of @clnt stands; @cookie is what it is known by until it breaks. */
bool rnfs4_helper_rpc_clnt_connected(struct rpc_clnt *clnt, unsigned int *cookie)
{
	struct rpc_xprt *xprt;
	bool connected;

	rcu_read_lock();
	xprt = rcu_dereference(clnt->cl_xprt);
	*cookie = READ_ONCE(xprt->connect_cookie);
	/* The cookie changes before a connection is called connected. */
	smp_rmb();
	connected = xprt_connected(xprt);
	rcu_read_unlock();
	return connected;
}

static bool rnfs4_still_connected(struct rpc_xprt *xprt, unsigned int cookie)
{
	return xprt_connected(xprt) && READ_ONCE(xprt->connect_cookie) == cookie;
}

/* Has @task sleep until the connection breaks that is known by @cookie; false if it has. A disconnect wakes the whole queue. */
bool rnfs4_helper_rpc_sleep_while_connected(struct rpc_task *task, unsigned int cookie)
{
	struct rpc_xprt *xprt = task->tk_xprt;

	if (!rnfs4_still_connected(xprt, cookie))
		return false;
	rpc_sleep_on(&xprt->pending, task, NULL);
	/* It may have broken before the task was in the queue. */
	if (!rnfs4_still_connected(xprt, cookie))
		rpc_wake_up_queued_task(&xprt->pending, task);
	return true;
}

/* Has every task that sleeps on the connection of @clnt look again. */
void rnfs4_helper_rpc_wake_pending(struct rpc_clnt *clnt)
{
	rcu_read_lock();
	xprt_wake_pending_tasks(rcu_dereference(clnt->cl_xprt), -EAGAIN);
	rcu_read_unlock();
}

/*
 * Has @task, which is about to be sent and holds no request, go by the first connection of its client where its own does not stand:
 * nobody connects for it.
 */
void rnfs4_helper_rpc_prefer_connected(struct rpc_task *task)
{
	if (!task->tk_xprt || task->tk_rqstp || xprt_connected(task->tk_xprt))
		return;
	if (task->tk_flags & RPC_TASK_NO_ROUND_ROBIN)
		return;
	rpc_task_release_transport(task);
	task->tk_flags |= RPC_TASK_NO_ROUND_ROBIN;
}

/* Whether @xprt is the one whose connection is watched, the first of @clnt. */
bool rnfs4_helper_rpc_is_first_xprt(struct rpc_clnt *clnt, struct rpc_xprt *xprt)
{
	return rcu_access_pointer(clnt->cl_xprt) == xprt;
}

bool rnfs4_helper_xprt_connected(struct rpc_xprt *xprt)
{
	return xprt_connected(xprt);
}
