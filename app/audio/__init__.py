"""Reference clips into the service and speech out of it; knows nothing of HTTP frameworks.

``source.recognise`` tells a URL from inline audio, ``fetch.fetch`` downloads a URL safely,
``decode.decode_audio`` makes samples of the bytes and ``encode.encode_audio`` makes a file of
samples.  Everything a caller did wrong is an ``errors.AudioInputError`` with a sentence that is
safe to show; a download that takes too long is an ``errors.DownloadTimeoutError``.
"""
