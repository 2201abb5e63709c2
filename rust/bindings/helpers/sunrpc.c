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

bool rnfs4_helper_RPC_SIGNALLED(const struct rpc_task *task)
{
	return RPC_SIGNALLED(task);
}

/* What rpc_task_set_rpc_status() does, which is not exported. */
void rnfs4_helper_rpc_task_fail(struct rpc_task *task, int status)
{
	cmpxchg(&task->tk_rpc_status, 0, status);
}
