"""The password-protected archive of a job: encrypted parts, and one step that assembles them.

Why parts of single files and one solid 7z. Tasks of a job run side by side on several hosts, and
7z files cannot be joined without unpacking them: one 7z per task would have to be decompressed and
compressed again, and a task that is killed would lose all of its own. So each task stores every
file of its own by itself, encrypted by AES-256-GCM with a random key of the job (`parts`): durable,
provable and resumable by instance, exactly like a file in a folder, and never in clear. When all
tasks have ended one run, which holds a lease, streams the parts into one 7z (`assembly`): LZMA2,
AES-256, header encrypted too. It is solid, because everything is written in one go and read in one
go, slices of a series compress far better together, and the memory it takes is that of the
compressor whatever the size of the job. Damage would cost all that follows it, which is why the
archive is read back as a whole before it gets its name, and why the parts stay until then.
"""
