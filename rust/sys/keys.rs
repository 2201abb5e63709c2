// SPDX-License-Identifier: GPL-2.0

//! Questions that user space answers, by way of request_key(): one type of keys, for which request-key.conf(5) says what to run.
//!
//! C headers: [`include/linux/key.h`](srctree/include/linux/key.h),
//! [`include/linux/key-type.h`](srctree/include/linux/key-type.h)

use core::{
    cell::UnsafeCell,
    mem::MaybeUninit,
    ptr::{
        null_mut,
        NonNull, //
    },
};

use kernel::{
    bindings as kb,
    cred::Credential,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        rcu, //
    },
};
use rnfs4_bindings as bindings;

/// The name of the type.
const TYPE_NAME: &CStr = c"rnfs4_idmap";
/// The keyring of the answers, as /proc/keys shows it.
const KEYRING_NAME: &CStr = c".rnfs4_idmap";

/// The type's place: in the module, because lockdep knows the locks of its keys by that.
struct KeyType(UnsafeCell<MaybeUninit<bindings::key_type>>);

// SAFETY: Nobody but `Resolver` touches it, of which there is one.
unsafe impl Sync for KeyType {}

static KEY_TYPE: KeyType = KeyType(UnsafeCell::new(MaybeUninit::zeroed()));

/// Who asks. Dropping it forgets the answers, and the type.
pub(crate) struct Resolver {
    /// Has the keyring of the answers: what a user has made himself is not taken for one.
    cred: ARef<Credential>,
}

impl Resolver {
    /// Makes the type known. For the module's init alone: there is one at a time. May sleep.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: `init_task` is always there. The credential is ours, and nobody has seen it yet; with it goes the keyring.
        let cred = unsafe {
            let cred = NonNull::new(kb::prepare_kernel_cred(&raw mut kb::init_task));
            let cred = cred.ok_or(ENOMEM)?;
            let owned = ARef::<Credential>::from_raw(cred.cast());
            let ring = from_err_ptr(kb::keyring_alloc(
                KEYRING_NAME.as_char_ptr(),
                kb::kuid_t { val: 0 },
                kb::kgid_t { val: 0 },
                cred.as_ptr(),
                (bindings::KEY_POS_ALL & !bindings::KEY_POS_SETATTR)
                    | bindings::KEY_USR_VIEW
                    | bindings::KEY_USR_READ,
                bindings::KEY_ALLOC_NOT_IN_QUOTA as usize,
                null_mut(),
                null_mut(),
            ))?;
            (*cred.as_ptr()).thread_keyring = ring;
            (*cred.as_ptr()).jit_keyring = bindings::KEY_REQKEY_DEFL_THREAD_KEYRING as u8;
            owned
        };
        // SAFETY: The type is not registered, so nobody looks at it. The functions are those of user keys.
        unsafe {
            let typ = KEY_TYPE.0.get().cast::<bindings::key_type>();
            (*typ).name = TYPE_NAME.as_char_ptr();
            (*typ).preparse = Some(bindings::user_preparse);
            (*typ).free_preparse = Some(bindings::user_free_preparse);
            (*typ).instantiate = Some(bindings::generic_key_instantiate);
            (*typ).revoke = Some(bindings::user_revoke);
            (*typ).destroy = Some(bindings::user_destroy);
            (*typ).describe = Some(bindings::user_describe);
            (*typ).read = Some(bindings::user_read);
            to_result(bindings::register_key_type(typ))?;
        }
        Ok(Self { cred })
    }

    /// The answer to `question`, at most as long as `answer`: how much of that it takes. Whoever has asked the same before has it at hand.
    /// `EINVAL` if it is longer. Sleeps until a program of user space is done, not killably.
    pub(crate) fn ask(&self, question: &CStr, answer: &mut [u8]) -> Result<usize> {
        // SAFETY: The credential outlives the call, and the task's own is back at its end.
        let key = unsafe {
            let own = bindings::override_creds(self.cred.as_ptr());
            let key = bindings::request_key_tag(
                KEY_TYPE.0.get().cast(),
                question.as_char_ptr(),
                null_mut(),
                c"".as_char_ptr(),
            );
            bindings::revert_creds(own);
            from_err_ptr(key)?
        };
        // SAFETY: The key is ours until it is put. Its payload, which has as many bytes as it says, stays while RCU is read.
        unsafe {
            let guard = rcu::read_lock();
            let payload = bindings::user_key_payload_rcu(key);
            let res = to_result(bindings::key_validate(key)).and_then(|()| {
                let payload = NonNull::new(payload.cast_mut()).ok_or(EINVAL)?.as_ptr();
                let len = usize::from((*payload).datalen);
                let text = core::slice::from_raw_parts((&raw const (*payload).data).cast(), len);
                answer.get_mut(..len).ok_or(EINVAL)?.copy_from_slice(text);
                Ok(len)
            });
            drop(guard);
            bindings::key_put(key);
            res
        }
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        // SAFETY: Both are ours. Nobody asks any more.
        unsafe {
            bindings::key_revoke((*self.cred.as_ptr()).thread_keyring);
            bindings::unregister_key_type(KEY_TYPE.0.get().cast());
        }
    }
}
